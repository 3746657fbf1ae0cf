#ifndef NA_CLINUX_CHILD_H
#define NA_CLINUX_CHILD_H
/*
 * A child process under supervision: fork and exec with all that must happen between the two, and the calls that need
 * constants or variadics which Swift does not see. Functions return 0 or errno unless they say otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* As in linux/memfd.h and fcntl.h, which show them to newer systems or to _GNU_SOURCE only. */
#define NA_MFD_CLOEXEC 0x1
#define NA_MFD_ALLOW_SEALING 0x2
#define NA_MFD_NOEXEC_SEAL 0x8
#define NA_F_SETPIPE_SZ 1031
#define NA_F_ADD_SEALS 1033
#define NA_F_SEALS 0xf /* no further seals, no shrinking, growing or writing */
#define NA_P_PIDFD 3

/* What the child's descriptors 0 to 3 are; a negative one is /dev/null. */
#define NA_CHILD_DESCRIPTORS 4

struct na_child {
	pid_t pid;
	int pidfd;
};

/* In the child: puts copies of `from`, all of which lie above the places, into their places. */
static inline int na_child_arrange(const int *from)
{
	for (int place = 0; place < NA_CHILD_DESCRIPTORS; place++) {
		int source = from[place];

		if (source < 0)
			source = open("/dev/null", O_RDWR);
		if (source < 0)
			return errno;
		/* Where the place was free, /dev/null is in it already. */
		if (source != place && dup2(source, place) < 0)
			return errno;
	}
	return 0;
}

/* In the child: every signal as at the start of a process, but for SIGHUP. */
static inline void na_child_reset_signals(void)
{
	struct sigaction action;
	sigset_t none;

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_DFL;
	for (int number = 1; number <= SIGRTMAX; number++)
		sigaction(number, &action, NULL);
	/* systemctl kill -s HUP reaches the whole control group, and bpftrace would die of it. */
	action.sa_handler = SIG_IGN;
	sigaction(SIGHUP, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: becomes the program; returns errno. Calls only what is safe after a fork of many threads. */
static inline int na_child_become(const char *path, char *const *arguments, char *const *environment, const int *from,
				  pid_t parent)
{
	int error;

	na_child_reset_signals();
	/* A session of its own: Ctrl+C and a terminal that goes do not reach it; its end is the parent's to order. */
	setsid();
	/* It dies with the parent; if that has died before this call, there is no signal. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return errno;
	if (getppid() != parent)
		return ESRCH;
	error = na_child_arrange(from);
	if (error != 0)
		return error;
	syscall(SYS_close_range, NA_CHILD_DESCRIPTORS + 1, ~0U, 0);
	execve(path, arguments, environment);
	return errno;
}

/* In the parent: errno of a child that could not become the program, 0 once it has. */
static inline int na_child_await(int report)
{
	int error = 0;
	ssize_t count;

	do
		count = read(report, &error, sizeof(error));
	while (count < 0 && errno == EINTR);
	return count == sizeof(error) ? error : 0;
}

/* Copies the descriptors to numbers above the places they are to have, so that none overwrites another. */
static inline int na_child_lift(const int *from, int *to)
{
	for (int place = 0; place < NA_CHILD_DESCRIPTORS; place++)
		to[place] = -1;
	for (int place = 0; place < NA_CHILD_DESCRIPTORS; place++) {
		if (from[place] < 0)
			continue;
		to[place] = fcntl(from[place], F_DUPFD_CLOEXEC, NA_CHILD_DESCRIPTORS + 1);
		if (to[place] < 0)
			return errno;
	}
	return 0;
}

static inline int na_child_fork(struct na_child *child, const char *path, char *const *arguments,
				char *const *environment, const int *from, const int *report)
{
	pid_t parent = getpid();
	sigset_t all, before;
	int error;

	/* No handler of the parent's may run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	child->pid = fork();
	if (child->pid == 0) {
		/* Out of the way of the places, in the lowest number that is kept. */
		if (dup2(report[1], NA_CHILD_DESCRIPTORS) < 0 || fcntl(NA_CHILD_DESCRIPTORS, F_SETFD, FD_CLOEXEC) != 0)
			_exit(127);
		error = na_child_become(path, arguments, environment, from, parent);
		_exit(write(NA_CHILD_DESCRIPTORS, &error, sizeof(error)) == sizeof(error) ? 127 : 126);
	}
	error = child->pid < 0 ? errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/*
 * Starts a program and returns once it runs: descriptors 0 to 3 are copies of `from`, all others are closed.
 * The program dies with the thread that called this.
 */
static inline int na_child_start(struct na_child *child, const char *path, char *const *arguments,
				 char *const *environment, const int *from)
{
	int lifted[NA_CHILD_DESCRIPTORS], report[2], error;

	if (syscall(SYS_pipe2, report, O_CLOEXEC) != 0)
		return errno;
	error = na_child_lift(from, lifted);
	if (error == 0)
		error = na_child_fork(child, path, arguments, environment, lifted, report);
	for (int place = 0; place < NA_CHILD_DESCRIPTORS; place++)
		if (lifted[place] >= 0)
			close(lifted[place]);
	close(report[1]);
	if (error == 0) {
		error = na_child_await(report[0]);
		child->pidfd = error == 0 ? syscall(SYS_pidfd_open, child->pid, 0) : -1;
		if (error == 0 && child->pidfd < 0) {
			error = errno;
			kill(child->pid, SIGKILL);
		}
		if (error != 0)
			waitpid(child->pid, NULL, 0);
	}
	close(report[0]);
	return error;
}

/* How a child ended. */
struct na_child_end {
	int is_over;
	/* As it exited; 0 after a signal. */
	int status;
	/* That ended it, or 0. */
	int signal;
};

/* Takes the end of a child, without waiting for it. */
static inline struct na_child_end na_child_end(int pidfd)
{
	struct na_child_end end = { 0, 0, 0 };
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	if (waitid((idtype_t)NA_P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
		return end;
	end.is_over = 1;
	if (info.si_code == CLD_EXITED)
		end.status = info.si_status;
	else
		end.signal = info.si_status;
	return end;
}

static inline int na_child_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0 ? 0 : errno;
}

/* A pipe, the reading end of which never blocks, with room for `bytes` where the system allows that. */
static inline int na_child_pipe(int *ends, int bytes)
{
	if (syscall(SYS_pipe2, ends, O_CLOEXEC) != 0)
		return errno;
	fcntl(ends[1], NA_F_SETPIPE_SZ, bytes);
	return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

/* A file in memory that nobody can change any more; negative errno on failure. */
static inline int na_sealed_file(const char *name, const void *bytes, size_t count)
{
	unsigned int flags = NA_MFD_CLOEXEC | NA_MFD_ALLOW_SEALING;
	int descriptor = syscall(SYS_memfd_create, name, flags | NA_MFD_NOEXEC_SEAL);
	size_t done = 0;

	/* Before Linux 6.3 */
	if (descriptor < 0 && errno == EINVAL)
		descriptor = syscall(SYS_memfd_create, name, flags);
	if (descriptor < 0)
		return -errno;
	while (done < count) {
		ssize_t written = write(descriptor, (const char *)bytes + done, count - done);

		if (written < 0)
			break;
		done += written;
	}
	if (done == count && fcntl(descriptor, NA_F_ADD_SEALS, NA_F_SEALS) == 0)
		return descriptor;
	flags = errno;
	close(descriptor);
	return -(int)flags;
}

/* This process's environment, which Swift does not see as safe. */
static inline char **na_environment(void)
{
	extern char **environ;

	return environ;
}

/* Whether this process has an effective capability, by its number in linux/capability.h. */
static inline int na_has_capability(unsigned int number)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	memset(sets, 0, sizeof(sets));
	if (syscall(SYS_capget, &header, sets) != 0)
		return 0;
	return (sets[number / 32].effective >> (number % 32)) & 1;
}
#endif
