"""Salesforce (also NPSP and EDA): outbound messages, SOAP with up to a hundred notifications."""
