"""Many runs of one scenario: which, where each lies, who plays them, and what is known of them all."""
