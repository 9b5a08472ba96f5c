import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTForImageClassification,
)

small = dict(num_hidden_layers=2, num_attention_heads=2, hidden_size=16, intermediate_size=32)
torch.manual_seed(0)
ids = torch.randint(0, 50, (2, 7))


def step(name, model, **inputs):
    model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(2):
        loss = model(**inputs).loss
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        print(name, f"{loss.item():.5f} {norm.item():.4f}")


mask = torch.ones_like(ids)
mask[1, 5:] = 0
bert = BertForSequenceClassification(BertConfig(vocab_size=50, **small))
step("bert", bert, input_ids=ids, attention_mask=mask, labels=torch.tensor([0, 1]))
gpt = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_layer=2, n_head=2, n_embd=16, n_positions=32))
step("gpt2", gpt, input_ids=ids, labels=ids)
llama = LlamaForCausalLM(LlamaConfig(vocab_size=50, num_key_value_heads=1, **small))
step("llama", llama, input_ids=ids, labels=ids)
t5 = T5ForConditionalGeneration(
    T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0)
)
step("t5", t5, input_ids=ids, labels=ids)
vit = ViTForImageClassification(ViTConfig(image_size=16, patch_size=4, num_labels=3, **small))
step("vit", vit, pixel_values=torch.randn(2, 3, 16, 16), labels=torch.tensor([0, 2]))
print(gpt.generate(ids[:1], max_new_tokens=5, do_sample=False, pad_token_id=0).tolist())
