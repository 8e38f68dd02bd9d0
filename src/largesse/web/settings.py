"""Django's settings, read once from the product's configuration.

Owns which apps, middleware and policies the project runs with. Must not know what a page does.
Invariant: there is no mode for developers; the sandbox only changes where mail goes, whether the
test clock is read and which checkout host a form may reach.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.templatetags.static import static

from largesse.adapters.config import Config
from largesse.adapters.origins import LOOPBACK_HOSTS, is_loopback, names_of
from largesse.web.csp import page_policy
from largesse.web.database import database_settings
from largesse.web.logs import LOG_CONFIG
from largesse.web.mail import SANDBOX_BACKEND, SMTP_BACKEND, read_relay

CONFIG = Config.from_env(os.environ)
_WEB = Path(__file__).resolve().parent
_PUBLIC = urlsplit(CONFIG.public_url)
_IS_HTTPS = _PUBLIC.scheme == "https"

DEBUG = False
SECRET_KEY = CONFIG.secret
ROOT_URLCONF = "largesse.web.urls"
WSGI_APPLICATION = "largesse.web.wsgi.application"
CONSOLE_PREFIX = "/console/"

# --- Addresses -----------------------------------------------------------------------------------

IS_LOCAL = is_loopback(CONFIG.public_url)
ALLOWED_HOSTS = [*([] if IS_LOCAL else [_PUBLIC.hostname or ""]), *LOOPBACK_HOSTS]
CSRF_TRUSTED_ORIGINS = list(names_of(CONFIG.public_url))
# Whoever terminates TLS in front of the product sets this header; it can only raise the protection
# of the request that carries it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _IS_HTTPS else None

# --- Apps ----------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "largesse.web.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "largesse.web.apps.WebConfig",
    "largesse.people.apps.PeopleConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "procrastinate.contrib.django",
    "largesse.adapters.postgres",
    "largesse.catalog",
    "largesse.recharge",
    "largesse.gifting",
    "largesse.earnings",
    "largesse.payouts",
    "largesse.finance",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "largesse.web.middleware.browser_features",
    "largesse.web.csp.PolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "largesse.web.middleware.console_gate",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the apps' own: ours replace those of allauth.
        "DIRS": [_WEB / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "largesse.web.context.product",
            ],
        },
    },
]

# --- Data ----------------------------------------------------------------------------------------

DATABASES = {"default": database_settings(CONFIG.database_url or "")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Rate limits and used one-time codes must be seen by every process, so they live in the database.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "web_cache",
        # The default of 300 would let a flood of requests push used one-time codes out.
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},
    }
}

# --- Sessions and cookies ------------------------------------------------------------------------

SESSION_ENGINE = "django.contrib.sessions.backends.db"
# The prefix makes browsers refuse the cookie from any other host or without TLS (RFC 6265bis).
_COOKIE_PREFIX = "__Host-" if _IS_HTTPS else ""
SESSION_COOKIE_NAME = f"{_COOKIE_PREFIX}largesse_session"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SECURE = _IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"{_COOKIE_PREFIX}largesse_csrf"
CSRF_COOKIE_SECURE = _IS_HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "largesse.web.pages.errors.form_expired"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Headers -------------------------------------------------------------------------------------

X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _IS_HTTPS else 0
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": page_policy(
        live_url=CONFIG.live_url, checkout_url=CONFIG.sandbox_url if CONFIG.sandbox else None
    )
}

# --- Sign-in -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "people.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_MIN_LENGTH = 10
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {"user_attributes": ("email",)}),
        ("MinimumLengthValidator", {"min_length": PASSWORD_MIN_LENGTH}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "landing"
ACCOUNT_ADAPTER = "largesse.web.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_DISPLAY = "largesse.web.accounts.shown_name"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_FORMAT = {"numeric": True, "length": 8, "dashed": True}
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = True
ACCOUNT_CHANGE_EMAIL = True
# A reset code opens an account, so it keeps the longer alphabet (20 letters, 8 places).
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _PUBLIC.scheme
MFA_ADAPTER = "largesse.web.accounts.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "largesse"
MFA_RECOVERY_CODES_SHOW_ONCE = True
# Browsers themselves allow passkeys without TLS on this machine only.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = IS_LOCAL

# --- Mail and log --------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = f"largesse <no-reply@{_PUBLIC.hostname}>"
EMAIL_BACKEND = SANDBOX_BACKEND if CONFIG.sandbox else SMTP_BACKEND
EMAIL_FILE_PATH = CONFIG.data_dir / "mail"
HAS_SANDBOX_MAIL_PAGE = CONFIG.sandbox and IS_LOCAL
_RELAY = read_relay(os.environ.get("LARGESSE_SMTP_URL") or "smtp://localhost:25")
EMAIL_HOST = _RELAY.host
EMAIL_PORT = _RELAY.port
EMAIL_HOST_USER = _RELAY.user
EMAIL_HOST_PASSWORD = _RELAY.password
EMAIL_USE_SSL = _RELAY.is_tls_at_once
EMAIL_USE_TLS = _RELAY.is_upgraded
EMAIL_TIMEOUT = 10
LOGGING = LOG_CONFIG

# --- Language, time and static files -------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
# Files are served from where the packages keep them: nothing to collect, nothing to forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 300

UNFOLD = {
    "SITE_TITLE": "largesse console",
    "SITE_HEADER": "largesse",
    "SITE_SUBHEADER": "Operator console",
    "SITE_URL": "/",
    "SIDEBAR": {"navigation": "largesse.web.console_menu.navigation"},
    "SITE_ICON": lambda request: static("largesse/art/favicon.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("largesse/art/favicon.svg"),
        }
    ],
}
