"""The pages, one module per group, each with its own addresses.

Owns views and their forms. Must not decide about money: views call services and selectors of the
packages below. Invariant: a view that changes something accepts only POST.
"""
