/* The limit to compare with: accepts WebSocket readers, subscribes to one Redis channel, and writes each message to every
 * reader with send(2), in one process, with nothing else in between.
 *
 *   loop PORT REDIS_PORT CHANNEL
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define MOST_READERS 60000
static int readers[MOST_READERS], count;
static unsigned char in[1 << 20], frame[1 << 17];
static size_t held;

static int tcp(int port, int listening) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (listening ? bind(fd, (void *)&address, sizeof address) || listen(fd, 4096)
                  : connect(fd, (void *)&address, sizeof address)) {
        perror("loop");
        exit(1);
    }
    return fd;
}

static void watch(int poll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

static void fan_out(const unsigned char *payload, size_t size) {
    size_t head = size < 126 ? 2 : 4;
    frame[0] = 0x81;
    frame[1] = size < 126 ? size : 126;
    if (head == 4) frame[2] = size >> 8, frame[3] = size & 255;
    memcpy(frame + head, payload, size);
    for (int i = 0; i < count; i++)
        if (send(readers[i], frame, head + size, MSG_NOSIGNAL) < 0) continue;
}

/* RESP: "*3\r\n$7\r\nmessage\r\n$<n>\r\n<channel>\r\n$<size>\r\n<payload>\r\n"; the answer to SUBSCRIBE ends in ":1\r\n". */
static void take_messages(const char *channel) {
    char mark[300];
    size_t used = 0, length = snprintf(mark, sizeof mark, "\r\n%s\r\n$", channel);
    for (;;) {
        unsigned char *found = memmem(in + used, held - used, mark, length);
        if (!found) break;
        unsigned char *digits = found + length, *end = memmem(digits, in + held - digits, "\r\n", 2);
        if (!end) break;
        size_t size = atoi((char *)digits);
        if (end + 2 + size + 2 > in + held) break;
        fan_out(end + 2, size);
        used = end + 2 + size + 2 - in;
    }
    memmove(in, in + used, held - used);
    held -= used;
}

static void forget(int fd) {
    for (int i = 0; i < count; i++)
        if (readers[i] == fd) readers[i] = readers[--count];
    close(fd);
}

static void answer(int fd) {
    static char request[8192];
    static const char switching[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    ssize_t got = read(fd, request, sizeof request);
    if (got <= 0) {
        forget(fd);
    } else if (!strncmp(request, "GET", 3)) {
        send(fd, switching, sizeof switching - 1, MSG_NOSIGNAL);
        readers[count++] = fd;
    }
}

int main(int argc, char **argv) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = tcp(atoi(argv[1]), 1), redis = tcp(atoi(argv[2]), 0), poll = epoll_create1(0), one = 1;
    dprintf(redis, "SUBSCRIBE %s\r\n", argv[3]);
    watch(poll, listener);
    watch(poll, redis);
    static struct epoll_event events[512];
    for (;;) {
        int ready = epoll_wait(poll, events, 512, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int reader = accept4(listener, 0, 0, SOCK_NONBLOCK);
                setsockopt(reader, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                watch(poll, reader);
            } else if (fd == redis) {
                ssize_t got = read(redis, in + held, sizeof in - held);
                if (got <= 0) return 0;
                held += got;
                take_messages(argv[3]);
            } else {
                answer(fd);
            }
        }
    }
    (void)argc;
}
