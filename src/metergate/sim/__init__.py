"""The other end of every wire, so that all of metergate runs, and is tried, on one machine.

A simulated household is a pure function of its seed and the time: its meters show the same registers whoever asks, in
whatever process and however often it was killed, and the tests know the truth without asking anybody.
"""
