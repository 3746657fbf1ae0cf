#ifndef NA_CSYSTEMD_SHIM_H
#define NA_CSYSTEMD_SHIM_H
/* What the daemon takes from libsystemd. Not sd-journal.h's sender: it blocks on a hung journald. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define NA_BUS_TIMEOUT_US 500000
#define NA_MANAGER "org.freedesktop.systemd1"

/* The path of the job that systemd runs for this process's unit; to be freed. NULL if there is none. */
static inline char *na_unit_job(sd_bus *bus)
{
	sd_bus_message *reply = NULL, *property = NULL;
	const char *unit = NULL, *job = NULL;
	char *copy = NULL;

	if (sd_bus_call_method(bus, NA_MANAGER, "/org/freedesktop/systemd1", NA_MANAGER ".Manager", "GetUnitByPID",
			       NULL, &reply, "u", (uint32_t)getpid()) >= 0 &&
	    sd_bus_message_read(reply, "o", &unit) >= 0 &&
	    sd_bus_get_property(bus, NA_MANAGER, unit, NA_MANAGER ".Unit", "Job", NULL, &property, "(uo)") >= 0 &&
	    sd_bus_message_read(property, "(uo)", NULL, &job) >= 0 && strcmp(job, "/") != 0)
		copy = strdup(job);
	sd_bus_message_unref(property);
	sd_bus_message_unref(reply);
	return copy;
}

/* Why systemd stops this process: the type of its unit's job, such as "stop" or "restart"; to be freed. NULL if it
 * cannot be asked. In C because the calls are variadic. */
static inline char *na_job_type(void)
{
	sd_bus *bus = NULL;
	char *job = NULL, *type = NULL;

	if (sd_bus_open_system(&bus) < 0)
		return NULL;
	sd_bus_set_method_call_timeout(bus, NA_BUS_TIMEOUT_US);
	job = na_unit_job(bus);
	if (job && sd_bus_get_property_string(bus, NA_MANAGER, job, NA_MANAGER ".Job", "JobType", NULL, &type) < 0)
		type = NULL;
	free(job);
	sd_bus_flush_close_unref(bus);
	return type;
}
#endif
