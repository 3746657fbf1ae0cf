// SPDX-License-Identifier: Apache-2.0
/*
 * flood KIND SECONDS INTERFACE [RATE]: sends one packet over and over, RATE a second or as fast as it goes, and prints
 * how many.
 *
 *   udp    by the whole transmit path, to a MAC of 02:66:00:00:00:02; nobody has its IP address, so it is dropped there
 *   frags  the same packet, written to a tap that receives by NAPI in fragments
 *   arp    a stranger claims 192.0.2.1; past the queueing layer, as if it came from another machine
 *   gso    written to a tap: an IPv6 packet with a virtio header for TCP over IPv4
 *   same   written to a tap: the packet of arp; what is written is received, to the last one
 *   keys   the same from another stranger each time
 *   good   written to a tap: a host asks for its neighbour
 *
 * A tap is made here, under the name of the interface, unless it is there.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64	/* packets per system call: the call's own cost is gone from 32 on */
#define GSO_PAYLOAD 200 /* two segments of 100 bytes: enough for the kernel to call it GSO */

static const unsigned char stranger[ETH_ALEN] = { 0x02, 0x66, 0, 0, 0, 1 };
static const unsigned char receiver[ETH_ALEN] = { 0x02, 0x66, 0, 0, 0, 2 };
static unsigned char packet[512];
static size_t packet_length;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *append(size_t length)
{
	void *at = packet + packet_length;

	packet_length += length;
	return at;
}

static void append_ethernet(const unsigned char *destination, unsigned short type)
{
	struct ethhdr *ethernet = append(sizeof(*ethernet));

	memcpy(ethernet->h_dest, destination, ETH_ALEN);
	memcpy(ethernet->h_source, stranger, ETH_ALEN);
	ethernet->h_proto = htons(type);
}

static void make_udp(void)
{
	struct iphdr *ip;
	struct udphdr *udp;
	unsigned int sum = 0;

	append_ethernet(receiver, ETH_P_IP);
	ip = append(sizeof(*ip));
	udp = append(sizeof(*udp) + 18);
	*ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .tot_len = htons(46) };
	ip->saddr = inet_addr("192.0.2.2");
	ip->daddr = inet_addr("203.0.113.1");
	for (int i = 0; i < 10; i++)
		sum += ((unsigned short *)ip)[i];
	ip->check = ~(sum % 0xffff);
	udp->source = udp->dest = htons(9);
	udp->len = htons(26);
}

static void make_arp(void)
{
	static const unsigned char broadcast[ETH_ALEN] = { 255, 255, 255, 255, 255, 255 };
	struct ether_arp *arp;
	in_addr_t address = inet_addr("192.0.2.1");

	append_ethernet(broadcast, ETH_P_ARP);
	arp = append(46); /* with the padding of the shortest frame */
	arp->ea_hdr = (struct arphdr){ htons(ARPHRD_ETHER), htons(ETH_P_IP), ETH_ALEN, 4, htons(ARPOP_REPLY) };
	memcpy(arp->arp_sha, stranger, ETH_ALEN);
	memcpy(arp->arp_spa, &address, 4);
	memcpy(arp->arp_tpa, &address, 4);
}

/* Another MAC in both headers: two bytes of it count. */
static void change_stranger(unsigned int number)
{
	struct ether_arp *arp = (struct ether_arp *)(packet + ETH_HLEN);

	packet[ETH_ALEN + 4] = arp->arp_sha[4] = number >> 8;
	packet[ETH_ALEN + 5] = arp->arp_sha[5] = number;
}

static void make_good(void)
{
	struct ether_arp *arp = (struct ether_arp *)(packet + ETH_HLEN);
	in_addr_t asker = inet_addr("192.0.2.2"), asked = inet_addr("192.0.2.3");

	make_arp();
	arp->ea_hdr.ar_op = htons(ARPOP_REQUEST);
	memcpy(arp->arp_spa, &asker, 4);
	memcpy(arp->arp_tpa, &asked, 4);
}

static void make_gso(void)
{
	struct virtio_net_hdr *virtio = append(sizeof(*virtio));
	struct ip6_hdr *ip;
	struct tcphdr *tcp;

	append_ethernet(receiver, ETH_P_IPV6);
	ip = append(sizeof(*ip));
	tcp = append(sizeof(*tcp) + GSO_PAYLOAD);
	ip->ip6_vfc = 6 << 4;
	ip->ip6_plen = htons(sizeof(*tcp) + GSO_PAYLOAD);
	ip->ip6_nxt = IPPROTO_TCP;
	ip->ip6_hlim = 64;
	tcp->doff = 5;
	tcp->ack = 1;
	virtio->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	virtio->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	virtio->gso_size = GSO_PAYLOAD / 2;
	virtio->hdr_len = ETH_HLEN + sizeof(*ip) + sizeof(*tcp);
	virtio->csum_start = ETH_HLEN + sizeof(*ip);
	virtio->csum_offset = 16;
}

static int open_wire(const char *interface, int bypass)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(interface) };
	int wire = socket(AF_PACKET, SOCK_RAW, 0);

	if (wire < 0 || bind(wire, (struct sockaddr *)&address, sizeof(address)))
		fail(interface);
	if (bypass && setsockopt(wire, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof(bypass)))
		fail("PACKET_QDISC_BYPASS");
	return wire;
}

static int open_tap(const char *interface, short flags)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | flags };
	int tap = open("/dev/net/tun", O_RDWR);
	int control = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
	if (tap < 0 || ioctl(tap, TUNSETIFF, &request))
		fail(interface);
	request.ifr_flags = IFF_UP;
	if (ioctl(control, SIOCSIFFLAGS, &request))
		fail(interface);
	close(control);
	return tap;
}

static int send_batch(int wire)
{
	static struct iovec vector;
	static struct mmsghdr messages[BATCH];

	vector = (struct iovec){ packet, packet_length };
	for (int i = 0; i < BATCH; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vector, .msg_iovlen = 1 };
	return sendmmsg(wire, messages, BATCH, 0);
}

static int write_batch(int tap)
{
	int count = 0;

	while (count < BATCH && write(tap, packet, packet_length) > 0)
		count++;
	return count;
}

static int write_strangers(int tap)
{
	static unsigned int number;
	int count = 0;

	do
		change_stranger(number++);
	while (write(tap, packet, packet_length) > 0 && ++count < BATCH);
	return count;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* Waits until so many packets are not too many, at most for a millisecond. */
static void keep_pace(unsigned long long total, double begin, double rate)
{
	double early = begin + total / rate - now();

	if (early > 0)
		usleep(early < 0.001 ? early * 1e6 : 1000);
}

int main(int argc, char **argv)
{
	int (*send)(int) = write_batch;
	unsigned long long total = 0;
	double begin, end, rate = argc == 5 ? atof(argv[4]) : 0;
	int file;

	if (argc != 4 && argc != 5) {
		fputs("usage: flood udp|frags|arp|gso|same|keys|good SECONDS INTERFACE [RATE]\n", stderr);
		return 2;
	}
	if (!strcmp(argv[1], "udp")) {
		make_udp();
		file = open_wire(argv[3], 0);
		send = send_batch;
	} else if (!strcmp(argv[1], "frags")) {
		make_udp();
		file = open_tap(argv[3], IFF_NAPI | IFF_NAPI_FRAGS);
	} else if (!strcmp(argv[1], "arp")) {
		make_arp();
		file = open_wire(argv[3], 1);
		send = send_batch;
	} else if (!strcmp(argv[1], "gso")) {
		make_gso();
		file = open_tap(argv[3], IFF_VNET_HDR);
	} else {
		if (!strcmp(argv[1], "good"))
			make_good();
		else
			make_arp();
		file = open_tap(argv[3], 0);
		send = strcmp(argv[1], "keys") ? write_batch : write_strangers;
	}
	begin = now();
	end = begin + atof(argv[2]);
	do {
		int sent;

		if (rate > 0 && total > (now() - begin) * rate) {
			keep_pace(total, begin, rate);
			continue;
		}
		sent = send(file);
		total += sent > 0 ? sent : 0; /* a full queue is no error of a flood */
	} while (now() < end);
	printf("%llu\n", total);
	return 0;
}
