#ifndef NA_CSYSTEMD_SHIM_H
#define NA_CSYSTEMD_SHIM_H
/* What the daemon takes from libsystemd. Not sd-journal.h's sender: it blocks on a hung journald. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define NA_BUS_TIMEOUT_US 300000 /* each of four: a second in all */
#define NA_MANAGER "org.freedesktop.systemd1"

/* Waits for the bus to take calls; false if it does not in time. A call would wait for that, too, but 90 seconds. */
static inline int na_bus_is_ready(sd_bus *bus)
{
	struct timespec begun, now;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (;;) {
		int64_t left = NA_BUS_TIMEOUT_US;
		int ready = sd_bus_is_ready(bus), did = 0;

		if (ready)
			return ready > 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
		left -= (now.tv_sec - begun.tv_sec) * 1000000LL + (now.tv_nsec - begun.tv_nsec) / 1000;
		if (left <= 0)
			return 0;
		did = sd_bus_process(bus, NULL);
		if (did < 0 || (did == 0 && sd_bus_wait(bus, left) < 0))
			return 0;
	}
}

/* The path of the job that systemd runs for this process's unit, "/" for none; to be freed. NULL if it cannot say. */
static inline char *na_unit_job(sd_bus *bus)
{
	sd_bus_message *reply = NULL, *property = NULL;
	const char *unit = NULL, *job = NULL;
	char *copy = NULL;

	if (sd_bus_call_method(bus, NA_MANAGER, "/org/freedesktop/systemd1", NA_MANAGER ".Manager", "GetUnitByPID",
			       NULL, &reply, "u", (uint32_t)getpid()) >= 0 &&
	    sd_bus_message_read(reply, "o", &unit) >= 0 &&
	    sd_bus_get_property(bus, NA_MANAGER, unit, NA_MANAGER ".Unit", "Job", NULL, &property, "(uo)") >= 0 &&
	    sd_bus_message_read(property, "(uo)", NULL, &job) >= 0)
		copy = strdup(job);
	sd_bus_message_unref(property);
	sd_bus_message_unref(reply);
	return copy;
}

/* Why systemd stops this process: the type of its unit's job, such as "stop" or "restart", "" if there is none; to be
 * freed. NULL if it cannot be asked. In C because the calls are variadic. */
static inline char *na_job_type(void)
{
	sd_bus *bus = NULL;
	char *job = NULL, *type = NULL;

	if (sd_bus_open_system(&bus) < 0)
		return NULL;
	sd_bus_set_method_call_timeout(bus, NA_BUS_TIMEOUT_US);
	if (na_bus_is_ready(bus))
		job = na_unit_job(bus);
	if (job && strcmp(job, "/") == 0)
		type = strdup("");
	else if (job && sd_bus_get_property_string(bus, NA_MANAGER, job, NA_MANAGER ".Job", "JobType", NULL, &type) < 0)
		type = NULL;
	free(job);
	sd_bus_close_unref(bus);
	return type;
}
#endif
