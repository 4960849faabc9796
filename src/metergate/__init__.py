"""metergate: from the bytes on the wire to the cents on the bill."""

__version__ = "0.1.0"
