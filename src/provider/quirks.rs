//! What real providers do differently from the RFCs.
