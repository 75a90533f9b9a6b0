"""The host kernel as processes see it; it comes with issue E."""
