"""Trains a small classifier: does a point lie inside of a ring?

Nothing but Python's own library is needed. The model is a network with one hidden
layer, trained by stochastic gradient descent.
"""

import argparse
import json
import math
import os
import random


def points(n, rng):
    for _ in range(n):
        x, y = rng.uniform(-1, 1), rng.uniform(-1, 1)
        yield (x, y), 1.0 if 0.2 < x * x + y * y < 0.7 else 0.0


def predict(model, point):
    hidden = [math.tanh(w[0] * point[0] + w[1] * point[1] + w[2]) for w in model["hidden"]]
    z = sum(v * h for v, h in zip(model["out"], hidden)) + model["bias"]
    return 1 / (1 + math.exp(-max(-60, min(60, z)))), hidden


def train(model, data, rate):
    loss = 0.0
    for point, want in data:
        got, hidden = predict(model, point)
        loss -= math.log(max(1e-9, got if want else 1 - got))
        delta = got - want
        for i, h in enumerate(hidden):
            back = delta * model["out"][i] * (1 - h * h)
            model["out"][i] -= rate * delta * h
            w = model["hidden"][i]
            w[0] -= rate * back * point[0]
            w[1] -= rate * back * point[1]
            w[2] -= rate * back
        model["bias"] -= rate * delta
    return loss / len(data)


def accuracy(model, data):
    return sum((predict(model, p)[0] > 0.5) == (want > 0.5) for p, want in data) / len(data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=0.5)
    args = parser.parse_args()

    rng = random.Random(7)
    data, test = list(points(2000, rng)), list(points(500, rng))
    model = {
        "hidden": [[rng.gauss(0, 2), rng.gauss(0, 2), rng.gauss(0, 1)] for _ in range(16)],
        "out": [rng.gauss(0, 0.5) for _ in range(16)],
        "bias": 0.0,
    }
    for epoch in range(1, args.epochs + 1):
        loss = train(model, data, args.learning_rate / (1 + 0.05 * epoch))
        if epoch % 5 == 0 or epoch == args.epochs:
            print(json.dumps({"epoch": epoch, "loss": round(loss, 4), "accuracy": accuracy(model, test)}))

    out = os.environ.get("VH_OUTPUTS_DIR", ".")
    with open(os.path.join(out, "model.json"), "w") as f:
        json.dump(model, f)
    print("accuracy on points never seen:", accuracy(model, test))


if __name__ == "__main__":
    main()
