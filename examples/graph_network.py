"""A graph convolutional network finds the groups of a graph from one labelled node of each.

Kipf and Welling, Semi-Supervised Classification with Graph Convolutional Networks (2016): a layer is
`D^-1/2 (A + I) D^-1/2 X W`, neighbours' features averaged and mixed. Here the sum over edges is an index_add.
"""

import argparse

from tqdm import trange

import retrograd as torch
from retrograd import nn
from retrograd.nn import functional as F


def communities(groups=4, size=25, inside=0.3, outside=0.01):
    """A random graph of `groups` groups: edges (2, count), both ways, and the group of each node."""
    group = torch.arange(groups).repeat_interleave(size)
    same = group[:, None] == group[None, :]
    chosen = torch.rand(same.shape) < torch.where(same, inside, outside)
    upper = chosen.triu(1)
    return (upper | upper.T).nonzero().T, group


class GraphConvolution(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x, edges, scale):
        x = self.linear(x) * scale
        source, target = edges
        return (x.index_add(0, target, x[source])) * scale + self.bias


class Network(nn.Module):
    def __init__(self, features, groups, width=16):
        super().__init__()
        self.first = GraphConvolution(features, width)
        self.second = GraphConvolution(width, groups)

    def forward(self, x, edges, scale):
        x = F.relu(self.first(x, edges, scale))
        return self.second(F.dropout(x, 0.3, self.training), edges, scale)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()

    torch.manual_seed(0)
    edges, group = communities()
    nodes, groups = len(group), int(group.max()) + 1
    degree = torch.bincount(edges[1], minlength=nodes) + 1
    scale = degree.float().rsqrt().unsqueeze(1)
    features = torch.eye(nodes)
    known = torch.arange(0, nodes, nodes // groups)  # one node of each group

    model = Network(nodes, groups)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-4)
    bar = trange(args.steps, unit="step")
    for _ in bar:
        loss = F.cross_entropy(model(features, edges, scale)[known], group[known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")

    model.eval()
    with torch.no_grad():
        right = model(features, edges, scale).argmax(1) == group
    print(f"{right.float().mean():.1%} of {nodes} nodes in the right group, from {groups} labelled ones")
    print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
