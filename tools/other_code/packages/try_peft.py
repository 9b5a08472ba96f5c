import torch
from peft import LoraConfig, get_peft_model


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(4, 16), torch.nn.Linear(16, 2)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


torch.manual_seed(0)
net = get_peft_model(Net(), LoraConfig(r=2, target_modules=["first"], lora_dropout=0.1))
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
x = torch.randn(8, 4)
for _ in range(3):
    loss = net(x).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
print(sum(p.numel() for p in net.parameters() if p.requires_grad), net.merge_and_unload()(x).sum().item())
