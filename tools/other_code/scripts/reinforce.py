"""A policy gradient on a small corridor: actions are drawn, returns discounted and normalised."""

from collections import deque

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(2, 16)
        self.dropout = nn.Dropout(p=0.1)
        self.action_head = nn.Linear(16, 2)
        self.value_head = nn.Linear(16, 1)

    def forward(self, x):
        x = F.relu(self.dropout(self.affine1(x)))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


torch.manual_seed(543)
policy = Policy()
optimizer = optim.Adam(policy.parameters(), lr=3e-2)
eps = np.finfo(np.float32).eps.item()
recent = deque(maxlen=10)
for episode in range(6):
    position, log_probs, values, rewards = 0, [], [], []
    for t in range(12):
        probs, value = policy(torch.tensor([position / 3, t / 12]).float())
        m = Categorical(probs)
        action = m.sample()
        log_probs.append(m.log_prob(action))
        values.append(value)
        position += 1 if action.item() == 1 else -1
        rewards.append(float(position))
        if abs(position) == 3:
            break
    R, returns = 0, deque()
    for r in rewards[::-1]:
        R = r + 0.99 * R
        returns.appendleft(R)
    returns = torch.tensor(returns)
    if len(returns) > 1:
        returns = (returns - returns.mean()) / (returns.std() + eps)
    policy_loss, value_loss = [], []
    for log_prob, value, R in zip(log_probs, values, returns):
        policy_loss.append(-log_prob * (R - value.item()))
        value_loss.append(F.smooth_l1_loss(value, torch.tensor([R])))
    optimizer.zero_grad()
    loss = torch.stack(policy_loss).sum() + torch.stack(value_loss).sum()
    loss.backward()
    optimizer.step()
    recent.append(sum(rewards))
    print(episode, len(rewards), loss.item(), np.mean(recent))
