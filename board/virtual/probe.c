/*
 * What stands outside the program under test, in one static binary for the virtual board:
 *
 *   probe feed DEVICE FPS FILES...    plays JPEG files into a v4l2loopback device, there and back, until it is killed
 *   probe watch FILE                  prints "milliseconds level" at every change of a GPIO line's level, until killed
 *   probe hold PID NAME               stops the one thread of that name, as a lock that never comes would
 *   probe control DEVICE ID VALUE     sets a V4L2 control (vivid's "Disconnect" is 0xf0f041)
 *
 * Owns: nothing of the product; it only looks at, feeds and disturbs what the kernel shows everybody.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 640, HEIGHT = 480, MOST = 1 << 20 };

static void fail(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void feed(const char *device, int fps, int count, char **files)
{
	static unsigned char bytes[MOST];
	int out = open(device, O_RDWR);
	if (out < 0)
		fail(device);
	struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_OUTPUT };
	format.fmt.pix.width = WIDTH;
	format.fmt.pix.height = HEIGHT;
	format.fmt.pix.pixelformat = V4L2_PIX_FMT_MJPEG;
	format.fmt.pix.field = V4L2_FIELD_NONE;
	format.fmt.pix.sizeimage = MOST;
	if (ioctl(out, VIDIOC_S_FMT, &format) < 0)
		fail("set the format");
	long long due = now_us();
	for (int i = 0, step = 1;; i += step) {
		if (count > 1 && (i == count - 1 || (i == 0 && step < 0)))
			step = -step;
		else if (count == 1)
			step = 0;
		int in = open(files[i], O_RDONLY);
		if (in < 0)
			fail(files[i]);
		ssize_t size = read(in, bytes, sizeof bytes);
		close(in);
		if (size <= 0 || write(out, bytes, size) != size)
			fail("write a frame");
		due += 1000000 / fps;
		long long left = due - now_us();
		if (left > 0)
			usleep(left);
		else
			due = now_us();
	}
}

static void watch(const char *path)
{
	char before = 0;
	for (;; usleep(3000)) {
		char level = 0;
		int in = open(path, O_RDONLY);
		if (in < 0 || read(in, &level, 1) != 1)
			fail(path);
		close(in);
		if (level != before) {
			printf("%lld %c\n", now_us() / 1000, level);
			fflush(stdout);
			before = level;
		}
	}
}

static void hold(int pid, const char *wanted)
{
	char path[64], name[32];
	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		fail(path);
	for (struct dirent *entry; (entry = readdir(tasks));) {
		int thread = atoi(entry->d_name);
		char comm[96];
		snprintf(comm, sizeof comm, "%s/%d/comm", path, thread);
		FILE *in = thread ? fopen(comm, "r") : NULL;
		if (!in)
			continue;
		int same = fgets(name, sizeof name, in) && !strncmp(name, wanted, strlen(wanted)) && name[strlen(wanted)] == '\n';
		fclose(in);
		if (!same)
			continue;
		if (ptrace(PTRACE_SEIZE, thread, 0, 0) < 0 || ptrace(PTRACE_INTERRUPT, thread, 0, 0) < 0)
			fail("stop the thread");
		printf("held %d\n", thread);
		fflush(stdout);
		/* The thread stays stopped for as long as its tracer lives. A kill of the process passes all the same. */
		for (;;) {
			int status;
			if (waitpid(thread, &status, __WALL) < 0 || WIFEXITED(status) || WIFSIGNALED(status))
				exit(0);
		}
	}
	errno = ESRCH;
	fail(wanted);
}

static void control(const char *device, const char *id, const char *value)
{
	int camera = open(device, O_RDWR);
	if (camera < 0)
		fail(device);
	struct v4l2_control wish = { .id = strtoul(id, NULL, 0), .value = atoi(value) };
	if (ioctl(camera, VIDIOC_S_CTRL, &wish) < 0)
		fail("set the control");
}

int main(int argc, char **argv)
{
	if (argc >= 5 && !strcmp(argv[1], "feed"))
		feed(argv[2], atoi(argv[3]), argc - 4, argv + 4);
	else if (argc == 3 && !strcmp(argv[1], "watch"))
		watch(argv[2]);
	else if (argc == 4 && !strcmp(argv[1], "hold"))
		hold(atoi(argv[2]), argv[3]);
	else if (argc == 5 && !strcmp(argv[1], "control"))
		control(argv[2], argv[3], argv[4]);
	fprintf(stderr, "usage: probe feed DEVICE FPS FILES... | watch FILE | hold PID NAME | control DEVICE ID VALUE\n");
	return 2;
}
