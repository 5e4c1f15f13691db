"""From the customer database to Mailchimp audiences and back."""
