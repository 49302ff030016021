"""`trivet openapi`: the document of the API, for generators and linters, without a server."""

from trivet_deploy.cli.console import print_json


def openapi() -> None:
    """Print the OpenAPI document of the API, as a server has it at /api/openapi.json."""
    from trivet_api.mount import describe_api
    from trivet_deploy.composition import open_platform_with_django
    from trivet_settings import load_settings

    print_json(describe_api(open_platform_with_django(load_settings())))
