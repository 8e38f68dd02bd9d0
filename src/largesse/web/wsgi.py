"""The WSGI entry point that the web server loads.

Owns nothing but the application object. Must not configure anything. Invariant: importing it is
all that a server needs to do.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "largesse.web.settings")

application = get_wsgi_application()
