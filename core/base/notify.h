/* SPDX-License-Identifier: MIT
 * What a daemon tells its service manager: systemd's datagrams to NOTIFY_SOCKET, without its library. Where nobody
 * listens nothing happens.
 */
#ifndef CORE_BASE_NOTIFY_H
#define CORE_BASE_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1". */
void notify_send(const char *text);
/* How often "WATCHDOG=1" is wanted at least, in milliseconds; 0: not at all. */
int64_t notify_watchdog_ms(void);

#endif
