import torch
from diffusers import DDPMScheduler, UNet2DModel

torch.manual_seed(0)
net = UNet2DModel(
    sample_size=16, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(8, 16),
    down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    norm_num_groups=4, attention_head_dim=8,
)
noise = DDPMScheduler(num_train_timesteps=100)
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
x = torch.randn(2, 3, 16, 16)
for _ in range(2):
    e, t = torch.randn_like(x), torch.randint(0, 100, (2,))
    loss = torch.nn.functional.mse_loss(net(noise.add_noise(x, e, t), t).sample, e)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
noise.set_timesteps(3)
sample = torch.randn(1, 3, 16, 16)
with torch.no_grad():
    for t in noise.timesteps:
        sample = noise.step(net(sample, t).sample, t, sample).prev_sample
print(sample.abs().mean().item())
