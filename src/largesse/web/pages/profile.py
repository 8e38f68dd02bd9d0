"""A person's own page: the name that others see, roles, and the way to security settings.

Owns the form for the display name and the step to becoming a creator. Must not show anyone else.
Invariant: it changes the signed-in holder only, by the services of `people`.
"""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from largesse.money.ids import HolderId
from largesse.people.errors import BadDisplayName
from largesse.people.models import User
from largesse.people.rules import DISPLAY_NAME_MAX, require_display_name
from largesse.people.selectors import second_factors
from largesse.people.services import become_creator, rename_person

app_name = "profile"


class NameForm(forms.Form):
    """Takes a display name by the rules of people."""

    display_name = forms.CharField(
        label=gettext_lazy("Name that others see"),
        max_length=160,
        strip=False,
        help_text=gettext_lazy("At most %(count)d characters. Emoji and every script are welcome.")
        % {"count": DISPLAY_NAME_MAX},
        widget=forms.TextInput(attrs={"autocomplete": "nickname", "dir": "auto"}),
    )

    def clean_display_name(self) -> str:
        """Return the stored form of the name, or the rule's own sentence as the field's error."""
        try:
            return require_display_name(self.cleaned_data["display_name"])
        except BadDisplayName as error:
            raise forms.ValidationError(error.message) from error


@login_required
@require_http_methods(["GET", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """Show the person's page and take a new name."""
    user = _signed_in(request)
    form = NameForm(request.POST or None, initial={"display_name": user.holder.display_name})
    if request.method == "POST" and form.is_valid():
        rename_person(HolderId(user.pk), form.cleaned_data["display_name"])
        messages.success(request, _("Your name is changed."))
        return redirect("profile:index")
    context = {"form": form, "holder": user.holder, "factors": second_factors(HolderId(user.pk))}
    return render(request, "profile/index.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def start_creating(request: HttpRequest) -> HttpResponse:
    """Make the person a creator, who can receive gifts."""
    become_creator(HolderId(_signed_in(request).pk))
    messages.success(request, _("You can receive gifts now. Open a room in your studio."))
    return redirect("profile:index")


def _signed_in(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


urlpatterns = [
    path("", index, name="index"),
    path("creator/", start_creating, name="start_creating"),
]
