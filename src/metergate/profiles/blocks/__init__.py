"""Load profiles as register-day blocks: arrays in, arrays out, SQLite or PostgreSQL below."""

from metergate.profiles.blocks.blocks import Blocks, open_blocks
from metergate.profiles.blocks.matrix import Columns, Completeness, Last, Matrix
from metergate.profiles.blocks.merge import Conflict, Written
from metergate.profiles.blocks.stack import Measured
from metergate.profiles.blocks.transaction import Transaction

__all__ = [
    "Blocks",
    "Columns",
    "Completeness",
    "Conflict",
    "Last",
    "Matrix",
    "Measured",
    "Transaction",
    "Written",
    "open_blocks",
]
