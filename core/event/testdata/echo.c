/*
 * The other side of the echo benchmarks.
 *
 * echo server N: echo on descriptors 3 to N+2 with a level-triggered epoll
 * set until all have ended; what a C programmer would write.
 *
 * echo client N: for each number R read from standard input, R times: send a
 * message on each of the N descriptors, then collect each answer. Answers
 * with the nanoseconds this took, on a line.
 *
 * echo ticker N: the same, but each round begins a millisecond after the last
 * one and waits for no answer.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { FIRST = 3, SIZE = 64, EVENTS = 256 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int serve(int n)
{
	struct epoll_event ev[EVENTS];
	char buf[4096];
	int set = epoll_create1(EPOLL_CLOEXEC);

	for (int fd = FIRST; fd < FIRST + n; fd++) {
		ev[0].events = EPOLLIN;
		ev[0].data.fd = fd;
		if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev[0]) < 0)
			die("epoll_ctl");
	}
	while (n > 0) {
		int ready = epoll_wait(set, ev, EVENTS, -1);
		if (ready < 0)
			die("epoll_wait");
		for (int i = 0; i < ready; i++) {
			int fd = ev[i].data.fd;
			ssize_t got = read(fd, buf, sizeof buf);
			if (got <= 0) {
				close(fd);
				n--;
			} else if (write(fd, buf, got) != got) {
				die("write");
			}
		}
	}
	return 0;
}

static int client(int n, int ticker)
{
	char buf[SIZE];
	struct timespec a, b;
	long rounds;

	memset(buf, 'x', sizeof buf);
	while (scanf("%ld", &rounds) == 1) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		for (long r = 0; r < rounds; r++) {
			if (ticker)
				usleep(1000);
			for (int fd = FIRST; fd < FIRST + n; fd++)
				if (write(fd, buf, SIZE) != SIZE)
					die("write");
			for (int fd = FIRST; fd < FIRST + n && !ticker; fd++) {
				if (read(fd, buf, SIZE) != SIZE)
					die("read");
			}
		}
		clock_gettime(CLOCK_MONOTONIC, &b);
		printf("%lld\n", (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec);
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	if (strcmp(argv[1], "server") == 0)
		return serve(atoi(argv[2]));
	return client(atoi(argv[2]), strcmp(argv[1], "ticker") == 0);
}
