"""All settings of a process, and what follows from them."""

from functools import cached_property

from pydantic_settings import SettingsConfigDict

from trivet_settings.database_url import DatabaseUrl
from trivet_settings.description import PREFIX
from trivet_settings.public_url import PublicUrl
from trivet_settings.sections.centrifugo import CentrifugoSettings
from trivet_settings.sections.composition import CompositionSettings
from trivet_settings.sections.data import DataSettings
from trivet_settings.sections.django_project import DjangoProjectSettings
from trivet_settings.sections.process import ProcessSettings
from trivet_settings.sections.realtime import RealtimeSettings
from trivet_settings.sections.requests import RequestSettings
from trivet_settings.sections.site import SiteSettings


class Settings(
    ProcessSettings,
    RealtimeSettings,
    CentrifugoSettings,
    RequestSettings,
    DjangoProjectSettings,
    CompositionSettings,
    DataSettings,
    SiteSettings,
):
    """All settings of one process, frozen. ``trivet check --settings`` explains each of them.

    `load_settings()` makes it: that function reads the environment and `.env`, and reports all
    faults as one `SettingsError`. The class itself does not read `.env`, and raises pydantic's
    ValidationError.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        env_prefix=PREFIX,
        env_ignore_empty=True,  # compose files pass `X=` for a variable that is not set
        extra="ignore",  # unknown names are found, with a suggestion, by load_settings
        dotenv_filtering="only_existing",
        hide_input_in_errors=True,  # an input may be a secret
    )

    @cached_property
    def audit_secrets(self) -> tuple[str, ...]:
        """The secrets that authenticate the audit trail, the newest first; never empty."""
        keys = self.audit_keys or (self.secret_key,)
        return tuple(key.get_secret_value() for key in keys)

    @property
    def title(self) -> str:
        """The title of pages in a browser's tabs."""
        return self.site_title or self.name

    @cached_property
    def database(self) -> DatabaseUrl:
        """`database_url` in parts."""
        return DatabaseUrl.parse(self.database_url)

    @cached_property
    def replicas(self) -> tuple[DatabaseUrl, ...]:
        """`replica_urls` in parts."""
        return tuple(map(DatabaseUrl.parse, self.replica_urls))

    @property
    def direct(self) -> "Settings":
        """These settings for a process whose work cannot pass a pooler: the direct address, if
        there is one, is the database's."""
        changed = {
            "database_url": self.direct_database_url or self.database_url,
            "database_pooler": "none",
            "direct_database_url": "",
            "replica_urls": (),
        }
        copy = self.model_copy(update=changed)
        copy.__dict__.pop("database", None)  # the parts of the other address, if they were asked
        return copy

    @cached_property
    def broker_address(self) -> str:
        """`broker` with its default: ``memory``, ``postgresql`` or the address of a server."""
        named = self.broker.get_secret_value()
        return named or ("memory" if self.database.is_sqlite else "postgresql")

    @cached_property
    def public(self) -> PublicUrl:
        """`public_url` in parts."""
        return PublicUrl.parse(self.public_url)

    @property
    def origin(self) -> str:
        """Scheme, host and port of the public address."""
        return self.public.origin

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names that requests may carry, without ports."""
        return self.public.hosts

    @property
    def csrf_origins(self) -> tuple[str, ...]:
        """Origins whose unsafe requests count as this site's own."""
        return (*self.public.origins, *self.trusted_origins)

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies may travel only over HTTPS."""
        return self.public.is_secure

    @property
    def root_path(self) -> str:
        """The path of the public address, which a proxy in front strips; mostly empty."""
        return self.public.path
