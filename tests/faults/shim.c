/* Between the binary and its C library: makes one chosen call fail, or ends the process before or after it.
 *
 * Only calls about files under FAULT_UNDER count. FAULT_LOG: a file that takes a line per call, "name path". FAULT_CALL, FAULT_PATH (a
 * part of the path) and FAULT_NTH (from 1) choose the call, FAULT_DO what happens: kill-before, kill-after, short, or an errno by its
 * name. FAULT_TIMES (1) calls fail, from the chosen one on; with FAULT_WHILE they fail as long as that file exists. FAULT_MET: a file that
 * appears when it has happened. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { NOTHING, KILL_BEFORE, KILL_AFTER, SHORT, FAIL };

static const char *under, *call_wanted, *path_wanted, *whilst, *met_file;
static long nth = 1, times = 1;
static enum action action = NOTHING;
static int error_number, log_fd = -1;
static atomic_long met;

#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void configure(void) {
  under = getenv("FAULT_UNDER");
  call_wanted = getenv("FAULT_CALL");
  path_wanted = getenv("FAULT_PATH");
  whilst = getenv("FAULT_WHILE");
  met_file = getenv("FAULT_MET");
  const char *text;
  if ((text = getenv("FAULT_NTH"))) nth = atol(text);
  if ((text = getenv("FAULT_TIMES"))) times = atol(text);
  if ((text = getenv("FAULT_LOG"))) log_fd = open(text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (!(text = getenv("FAULT_DO"))) return;
  action = FAIL;
  if (!strcmp(text, "kill-before")) action = KILL_BEFORE;
  else if (!strcmp(text, "kill-after")) action = KILL_AFTER;
  else if (!strcmp(text, "short")) action = SHORT;
  else if (!strcmp(text, "EIO")) error_number = EIO;
  else if (!strcmp(text, "ENOSPC")) error_number = ENOSPC;
  else if (!strcmp(text, "EINTR")) error_number = EINTR;
  else { fprintf(stderr, "FAULT_DO=%s is not known\n", text); _exit(64); }
}

static void die(void) { kill(getpid(), SIGKILL); pause(); }

/* What is to happen at this call. */
static enum action at(const char *call, const char *path) {
  if (!under || !path || strncmp(path, under, strlen(under))) return NOTHING;
  if (log_fd >= 0) {
    char line[512];
    int length = snprintf(line, sizeof line, "%s %s\n", call, path + strlen(under));
    ssize_t (*write_line)(int, const void *, size_t) = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (length > 0 && write_line(log_fd, line, (size_t)length) < 0) return NOTHING;
  }
  if (action == NOTHING || !call_wanted || strcmp(call, call_wanted)) return NOTHING;
  if (path_wanted && !strstr(path + strlen(under), path_wanted)) return NOTHING;
  long number = atomic_fetch_add(&met, 1) + 1;
  if (number < nth) return NOTHING;
  if (whilst ? access(whilst, F_OK) != 0 : number >= nth + times) return NOTHING;
  if (met_file) {
    int (*open_file)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    int fd = open_file(met_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
  }
  if (action == KILL_BEFORE) die();
  return action;
}

static const char *path_of(int fd, char *buffer, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, buffer, size - 1);
  if (length <= 0) return NULL;
  buffer[length] = 0;
  return buffer;
}

#define ACT(call, path) \
  enum action todo = at(call, path); \
  if (todo == FAIL) { errno = error_number; return -1; }
#define ACT_FD(call, fd) \
  char buffer[4096]; \
  ACT(call, path_of(fd, buffer, sizeof buffer))
#define DONE(result) \
  do { __typeof__(result) answer = (result); if (todo == KILL_AFTER) die(); return answer; } while (0)
/* Half of what was asked for, and at least one byte. */
#define PART(count) (todo == SHORT && (count) > 1 ? (count) / 2 : (count))

int link(const char *from, const char *to) { REAL(link); ACT("link", to) DONE(real(from, to)); }
int linkat(int a, const char *from, int b, const char *to, int flags) { REAL(linkat); ACT("link", to) DONE(real(a, from, b, to, flags)); }
int unlink(const char *path) { REAL(unlink); ACT("unlink", path) DONE(real(path)); }
int rename(const char *from, const char *to) { REAL(rename); ACT("rename", to) DONE(real(from, to)); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); ACT("mkdir", path) DONE(real(path, mode)); }
int fsync(int fd) { REAL(fsync); ACT_FD("fsync", fd) DONE(real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); ACT_FD("fdatasync", fd) DONE(real(fd)); }
int sync_file_range(int fd, off64_t from, off64_t count, unsigned int flags) {
  REAL(sync_file_range); ACT_FD("sync_file_range", fd) DONE(real(fd, from, count, flags));
}
int ftruncate64(int fd, off64_t length) { REAL(ftruncate64); ACT_FD("truncate", fd) DONE(real(fd, length)); }
ssize_t write(int fd, const void *data, size_t count) { REAL(write); ACT_FD("write", fd) DONE(real(fd, data, PART(count))); }
ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset) {
  REAL(pwrite64); ACT_FD("write", fd) DONE(real(fd, data, PART(count), offset));
}
ssize_t read(int fd, void *data, size_t count) { REAL(read); ACT_FD("read", fd) DONE(real(fd, data, PART(count))); }
ssize_t pread64(int fd, void *data, size_t count, off64_t offset) {
  REAL(pread64); ACT_FD("read", fd) DONE(real(fd, data, PART(count), offset));
}
int open64(const char *path, int flags, ...) {
  REAL(open64);
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  ACT((flags & O_CREAT) ? "create" : "open", path)
  DONE(real(path, flags, mode));
}
