/* SPDX-License-Identifier: MIT
 * Notifications to the service manager: systemd's datagrams to NOTIFY_SOCKET, without its library. Without a
 * listener nothing happens.
 */
#ifndef CORE_BASE_NOTIFY_H
#define CORE_BASE_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1". */
void notify_send(const char *text);
/* The longest allowed interval between two "WATCHDOG=1", in milliseconds; 0: none are wanted. */
int64_t notify_watchdog_ms(void);

#endif
