// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// The only process of the emulated machine: runs the driver, sends what it prints to the emulator's debug port, and ends the
// emulator.

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEBUG_PORT = 0xe9, SHUTDOWN_PORT = 0x8900 };

static void send(const char *text, size_t count) {
  for (size_t i = 0; i < count; i++) outb((unsigned char)text[i], DEBUG_PORT);
}

static void run(const char *variant) {
  static char buffer[65536];
  const pid_t child = fork();
  if (child == 0) {
    const int output = open("/output", O_CREAT | O_TRUNC | O_WRONLY, 0644);
    dup2(output, 1);
    dup2(output, 2);
    execl("/driver", "/driver", variant, (char *)NULL);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  send(buffer, (size_t)snprintf(buffer, sizeof buffer, "=== begin %s status=%d\n", variant, status));
  const int output = open("/output", O_RDONLY);
  for (ssize_t n; (n = read(output, buffer, sizeof buffer)) > 0;) send(buffer, (size_t)n);
  close(output);
  send(buffer, (size_t)snprintf(buffer, sizeof buffer, "=== end %s\n", variant));
}

int main(void) {
  if (iopl(3) == 0) {
    run("avx512");
    for (const char *c = "Shutdown"; *c != 0; c++) outb((unsigned char)*c, SHUTDOWN_PORT);
  }
  for (;;) pause();
}
