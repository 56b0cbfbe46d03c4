"""Optimizers of torch, written after what those of other packages do."""

import torch


class EpsOutside(torch.optim.Optimizer):
    """One as people write it: eps outside the maximum, no maximize, nothing validated."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p, self.state[p], **group)
        return None if closure is None else loss

    def update(self, p, state, lr, betas, eps, weight_decay, **_):
        if not state:
            state.update(t=0, m=torch.zeros_like(p), u=torch.zeros_like(p))
        state["t"] += 1
        g = p.grad.add(p, alpha=weight_decay)
        state["m"].mul_(betas[0]).add_(g, alpha=1 - betas[0])
        state["u"].mul_(betas[1])
        torch.maximum(state["u"], g.abs(), out=state["u"])
        p.addcdiv_(state["m"], state["u"] + eps, value=-lr / (1 - betas[0] ** state["t"]))


class LikeFairseq(EpsOutside):
    """An Adamax that does what fairseq's is known to do.

    The decay is taken apart from the gradient, whose absolute value is formed in place; a learning rate that is a
    tensor is divided in place.
    """

    def update(self, p, state, lr, betas, eps, weight_decay, **_):
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(p), exp_inf=torch.zeros_like(p))
        state["step"] += 1
        state["exp_avg"].mul_(betas[0]).add_(p.grad, alpha=1 - betas[0])
        torch.maximum(state["exp_inf"].mul_(betas[1]), p.grad.abs_(), out=state["exp_inf"])
        p.add_(p, alpha=-lr * weight_decay)
        lr /= 1 - betas[0] ** state["step"]
        p.addcdiv_(state["exp_avg"], state["exp_inf"] + eps, value=-lr)
