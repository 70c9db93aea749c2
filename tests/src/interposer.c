/* Loaded before the C library into a gateway under test: its own calls to the system fail or end it, as an order says that
   stands in the file named by PASSERELLE_INTERPOSER. The calls that are counted are writes to a database: into its files, or to
   the server that has them.

     eio         fsync and fdatasync of a database file fail with EIO
     before N    the process is killed (SIGKILL) in place of its Nth call: that write is lost
     after N     the process is killed right after its Nth call: that write happened, nobody learns of it
     count       nothing; the number of calls stands in the file beside it, `.count` */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static int calls;

static int ordered(char *order, size_t size) {
  const char *file = getenv("PASSERELLE_INTERPOSER");
  order[0] = 0;
  if (!file) return 0;
  int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = syscall(SYS_read, fd, order, size - 1);
  syscall(SYS_close, fd);
  order[n > 0 ? n : 0] = 0;
  return order[0] != 0;
}

static int of_a_database(int fd) {
  struct stat st;
  if (syscall(SYS_fstat, fd, &st) != 0) return 0;
  if (S_ISREG(st.st_mode)) {
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return strstr(path, ".db") != NULL;
  }
  if (S_ISSOCK(st.st_mode)) {
    struct sockaddr_un peer;
    socklen_t size = sizeof peer;
    /* A socket with a name at the other end: the server's. Pairs have none. */
    return getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sun_family == AF_UNIX && size > sizeof(sa_family_t);
  }
  return 0;
}

/* Which call this is, from 1, while it is ordered to count; 0 otherwise. */
static int counted(int fd, int *before, int *after) {
  char order[64];
  *before = *after = 0;
  if (!ordered(order, sizeof order) || !of_a_database(fd)) return 0;
  if (sscanf(order, "before %d", before) != 1 && sscanf(order, "after %d", after) != 1 && strncmp(order, "count", 5) != 0) return 0;
  int n = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
  if (order[0] == 'c') {
    char file[4096], text[16];
    snprintf(file, sizeof file, "%s.count", getenv("PASSERELLE_INTERPOSER"));
    /* Over what stands there and as long as it: whoever is killed in between leaves a number, not an empty file. */
    int out = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (out >= 0) {
      int length = snprintf(text, sizeof text, "%08d", n);
      syscall(SYS_pwrite64, out, text, length, 0);
      syscall(SYS_close, out);
    }
  }
  return n;
}

static void end(void) { syscall(SYS_kill, getpid(), SIGKILL); for (;;) pause(); }

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define AROUND(fd, call)                                   \
  int before, after, saved, n = counted(fd, &before, &after); \
  if (n && n == before) end();                             \
  __typeof__(call) done = call;                            \
  saved = errno;                                           \
  if (n && n == after) end();                              \
  errno = saved;                                           \
  return done

ssize_t write(int fd, const void *b, size_t n_) { REAL(write); AROUND(fd, real(fd, b, n_)); }
ssize_t pwrite(int fd, const void *b, size_t n_, off_t at) { REAL(pwrite); AROUND(fd, real(fd, b, n_, at)); }
ssize_t pwrite64(int fd, const void *b, size_t n_, off64_t at) { REAL(pwrite64); AROUND(fd, real(fd, b, n_, at)); }
ssize_t writev(int fd, const struct iovec *v, int c) { REAL(writev); AROUND(fd, real(fd, v, c)); }
ssize_t send(int fd, const void *b, size_t n_, int f) { REAL(send); AROUND(fd, real(fd, b, n_, f)); }
ssize_t sendmsg(int fd, const struct msghdr *m, int f) { REAL(sendmsg); AROUND(fd, real(fd, m, f)); }
int ftruncate(int fd, off_t n_) { REAL(ftruncate); AROUND(fd, real(fd, n_)); }
int ftruncate64(int fd, off64_t n_) { REAL(ftruncate64); AROUND(fd, real(fd, n_)); }

static int no_disk(int fd) {
  char order[64];
  return ordered(order, sizeof order) && strncmp(order, "eio", 3) == 0 && of_a_database(fd);
}

int fsync(int fd) {
  REAL(fsync);
  if (no_disk(fd)) { errno = EIO; return -1; }
  AROUND(fd, real(fd));
}

int fdatasync(int fd) {
  REAL(fdatasync);
  if (no_disk(fd)) { errno = EIO; return -1; }
  AROUND(fd, real(fd));
}
