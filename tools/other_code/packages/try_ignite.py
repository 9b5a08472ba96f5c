import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy, Loss
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(32, 4)
data = DataLoader(TensorDataset(x, x[:, :3].argmax(1)), batch_size=8)
net, criterion = torch.nn.Linear(4, 3), torch.nn.CrossEntropyLoss()
trainer = create_supervised_trainer(net, torch.optim.SGD(net.parameters(), lr=0.5), criterion)
evaluator = create_supervised_evaluator(net, {"accuracy": Accuracy(), "loss": Loss(criterion)})


@trainer.on(Events.EPOCH_COMPLETED)
def report(engine):
    evaluator.run(data)
    print(engine.state.epoch, engine.state.output, evaluator.state.metrics)


trainer.run(data, max_epochs=3)
