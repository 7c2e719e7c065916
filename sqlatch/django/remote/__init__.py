"""Django over the network: ENGINE = "sqlatch.django.remote", on sqlatch's own DB-API."""
