"""How a Django form field becomes our field component.

Owns `{% field %}` and `{% fields %}`. Must not know any form. Invariant: each input has a label,
and its help and errors are tied to it for assistive technology.
"""

from __future__ import annotations

from django import template
from django.conf import settings
from django.forms import BoundField, Form
from django.forms.widgets import CheckboxInput, PasswordInput
from django.utils.translation import gettext as _

register = template.Library()


@register.inclusion_tag("form/field.html")
def field(bound: BoundField, label: str = "", **attributes: str) -> dict[str, object]:
    """Draw one field; further attributes (inputmode, autocomplete) go to its input.

    Placeholders are dropped: they vanish when one types, and the label says the same. The rules
    for a new password are said in one sentence instead of a list of prohibitions.
    """
    if isinstance(bound.field.widget, PasswordInput) and "<ul>" in str(bound.help_text):
        bound.help_text = _(
            "At least %(count)d characters; not a common password, not only digits, "
            "not like your address."
        ) % {"count": settings.PASSWORD_MIN_LENGTH}
    is_check = isinstance(bound.field.widget, CheckboxInput)
    classes = [] if is_check else ["field__input"]
    if bound.field.widget.attrs.get("autocomplete") == "one-time-code":
        classes.append("field__input--code")
    drawn: dict[str, str | bool] = {"class": " ".join(classes), "placeholder": False, **attributes}
    return {
        "field": bound,
        "label": label or bound.label,
        "is_check": is_check,
        "widget": bound.as_widget(attrs=drawn),
    }


@register.inclusion_tag("form/fields.html")
def fields(form: Form) -> dict[str, object]:
    """Draw every field of the form, hidden ones too, under the errors of the whole."""
    return {"form": form}
