"""The admin's login page: Django's own, which counts failures with all other doors."""

import math
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from trivet.errors import TooManyRequests
from trivet_admin import runtime
from trivet_admin.auth.login import check_password

_SECONDS_IN_WORDS = 90


class ThrottledLoginForm(AdminAuthenticationForm):
    """Django's form, which says so when too many logins failed. `retry_after` is then the
    number of seconds to wait."""

    retry_after: int | None = None

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not username or not password:
            return self.cleaned_data
        try:
            user = check_password(self.request, username, password, runtime.login_throttle())
        except TooManyRequests as error:
            self.retry_after = error.retry_after
            wait = _in_words(error.retry_after)
            sentence = f"Too many logins failed. Try again in {wait}."
            raise ValidationError(sentence, code="throttled") from error
        if user is None:
            raise self.get_invalid_login_error()
        self.user_cache = user
        self.confirm_login_allowed(user)
        return self.cleaned_data

    def confirm_login_allowed(self, user: Any) -> None:
        """Tell users with a right password who are not staff that the admin is for staff. Django
        would say that the password was wrong."""
        if not user.is_staff:
            sentence = (
                "Your password is right, but this account is not for staff, and the admin is. "
                "Ask somebody who manages users."
            )
            raise ValidationError(sentence, code="not-staff")
        super().confirm_login_allowed(user)


def _in_words(seconds: int) -> str:
    if seconds <= _SECONDS_IN_WORDS:
        return f"{seconds} seconds"
    return f"{math.ceil(seconds / 60)} minutes"
