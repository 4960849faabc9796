"""Every address of the station."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, path

from metergate.station.access.api import api
from metergate.station.staff import views as staff
from metergate.station.web.views import (
    display,
    errors,
    events,
    health,
    household,
    jobs,
    lines,
    live,
    overview,
    places,
    readings,
    tools,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", overview.overview, name="overview"),
    path("parts/overview", overview.overview_now, name="overview-now"),
    path("parts/alarms", events.alarm_lamp, name="alarm-lamp"),
    path("sign-in", staff.SignIn.as_view(), name="sign-in"),
    path("sign-out", LogoutView.as_view(), name="sign-out"),
    path("password", staff.new_password, name="new-password"),
    path("estate", places.estate, name="estate"),
    path("buildings/<str:code>", places.building, name="building"),
    path("rooms/<str:code>", household.room, name="room"),
    path("parts/rooms/<str:code>", places.room_side, name="room-side"),
    path("data/profile/<str:code>", household.profile_data, name="profile-data"),
    path("data/live", live.live, name="live"),
    path("readings", readings.readings, name="readings"),
    path("readings/missing", readings.missing, name="missing"),
    path("devices/new", readings.new_devices, name="new-devices"),
    path("devices/<str:pk>/assign", readings.assign, name="assign"),
    path("search", readings.search, name="search"),
    path("events", events.events, name="events"),
    path("events/acknowledge", events.acknowledge_many, name="acknowledge-many"),
    path("events/<str:pk>/acknowledge", events.acknowledge, name="acknowledge"),
    path("lines", lines.lines, name="lines"),
    path("parts/lines", lines.lines_now, name="lines-now"),
    path("lines/<str:code>", lines.line, name="line"),
    path("parts/lines/<str:code>/trace", lines.trace, name="trace"),
    path("jobs", jobs.jobs, name="jobs"),
    path("jobs/order/<str:kind>", jobs.order, name="order"),
    path("jobs/<str:pk>", jobs.job, name="job"),
    path("parts/jobs/<str:pk>", jobs.job_now, name="job-now"),
    path("jobs/<str:pk>/cancel", jobs.cancel, name="cancel-job"),
    path("jobs/<str:pk>/again", jobs.again, name="again-job"),
    path("tools/telegram", tools.telegram, name="telegram"),
    path("display/<str:code>", display.display, name="display"),
    path("parts/display/<str:code>", display.display_part, name="display-part"),
    path("healthz", health.healthz, name="healthz"),
    path("api/v1/", api.urls),
]
handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.failed
