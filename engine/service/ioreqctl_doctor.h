/* SPDX-License-Identifier: MIT */
/* The subcommand `ioreqctl doctor`. */
#ifndef IOREQ_SERVICE_IOREQCTL_DOCTOR_H
#define IOREQ_SERVICE_IOREQCTL_DOCTOR_H

/* argv: what follows the command. Returns the exit status. */
int ioreqctl_doctor(int argc, char **argv);

#endif
