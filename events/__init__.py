"""The contract: what comes in and what goes out, in JSON and in the envelopes of AWS."""
