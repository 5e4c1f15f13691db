"""Meta Page: what people say on a Facebook Page and in Messenger."""
