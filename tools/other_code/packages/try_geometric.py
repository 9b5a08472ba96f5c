import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GATConv, GCNConv, SAGEConv, global_mean_pool

torch.manual_seed(0)
graphs = []
for i in range(6):
    edges = torch.randint(0, 5, (2, 9))
    graphs.append(Data(x=torch.randn(5, 4), edge_index=edges, y=torch.tensor([i % 2])))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = GCNConv(4, 8), GATConv(8, 4, heads=2), SAGEConv(8, 8)
        self.out = torch.nn.Linear(8, 2)

    def forward(self, data):
        x, edges = data.x, data.edge_index
        for layer in (self.a, self.b, self.c):
            x = layer(x, edges).relu()
        return self.out(global_mean_pool(x, data.batch))


net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(2):
    for batch in DataLoader(graphs, batch_size=3, shuffle=True):
        loss = torch.nn.functional.cross_entropy(net(batch), batch.y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(epoch, loss.item())
print(graphs[0])
