#ifndef NA_CLINUX_DEVICES_H
#define NA_CLINUX_DEVICES_H
/*
 * Network devices, neighbours and raw frames by ioctl and socket address: variadic calls and unions that cannot be
 * written in Swift. All return -1 and set errno on failure; addresses are in host byte order, MACs in wire order.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NA_CLONE_NEWNET 0x40000000 /* as CLONE_NEWNET, which only _GNU_SOURCE has */

/* Leaves the network namespace for a new, empty one. */
static inline int na_unshare_network(void)
{
	return syscall(SYS_unshare, NA_CLONE_NEWNET);
}

static inline struct ifreq na_device(const char *name)
{
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	return request;
}

static inline struct sockaddr na_internet_address(uint32_t address, uint16_t port)
{
	struct sockaddr_in internet = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr general;

	internet.sin_addr.s_addr = htonl(address);
	memcpy(&general, &internet, sizeof(general));
	return general;
}

/* Makes a TUN or TAP with one queue and returns its owner's descriptor; closing it removes the device. */
static inline int na_tun_open(const char *name, int flags)
{
	struct ifreq request = na_device(name);
	int descriptor = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	request.ifr_flags = flags;
	if (descriptor >= 0 && ioctl(descriptor, TUNSETIFF, &request) != 0) {
		close(descriptor);
		return -1;
	}
	return descriptor;
}

/* Says which offloads (TUN_F_*) the owner takes. */
static inline int na_tun_set_offloads(int descriptor, unsigned int offloads)
{
	return ioctl(descriptor, TUNSETOFFLOAD, (unsigned long)offloads);
}

/* For the functions below, `channel` is any socket of the namespace. */
static inline int na_device_set_mac(int channel, const char *name, const uint8_t *mac)
{
	struct ifreq request = na_device(name);

	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, mac, ETH_ALEN);
	return ioctl(channel, SIOCSIFHWADDR, &request);
}

/* Adds flags (IFF_*) to those that are set. */
static inline int na_device_add_flags(int channel, const char *name, int flags)
{
	struct ifreq request = na_device(name);

	if (ioctl(channel, SIOCGIFFLAGS, &request) != 0)
		return -1;
	request.ifr_flags |= flags;
	return ioctl(channel, SIOCSIFFLAGS, &request);
}

static inline int na_device_set_address(int channel, const char *name, uint32_t address, uint32_t mask)
{
	struct ifreq request = na_device(name);

	request.ifr_addr = na_internet_address(address, 0);
	if (ioctl(channel, SIOCSIFADDR, &request) != 0)
		return -1;
	request.ifr_netmask = na_internet_address(mask, 0);
	return ioctl(channel, SIOCSIFNETMASK, &request);
}

/* How many packets wait for the device before more are dropped. */
static inline int na_device_set_queue_length(int channel, const char *name, int packets)
{
	struct ifreq request = na_device(name);

	request.ifr_qlen = packets;
	return ioctl(channel, SIOCSIFTXQLEN, &request);
}

/* Enters a permanent neighbour, as `arp -s` does. */
static inline int na_neighbour_set(int channel, const char *name, uint32_t address, const uint8_t *mac)
{
	struct arpreq request;

	memset(&request, 0, sizeof(request));
	request.arp_pa = na_internet_address(address, 0);
	request.arp_ha.sa_family = ARPHRD_ETHER;
	memcpy(request.arp_ha.sa_data, mac, ETH_ALEN);
	request.arp_flags = ATF_COM | ATF_PERM;
	strncpy(request.arp_dev, name, sizeof(request.arp_dev) - 1);
	return ioctl(channel, SIOCSARP, &request);
}

/* Sends an ARP frame by a packet socket, as it is. */
static inline int na_arp_send(int packet_socket, const char *name, const uint8_t *frame, size_t length)
{
	struct sockaddr_ll where = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_halen = ETH_ALEN };

	where.sll_ifindex = if_nametoindex(name);
	memcpy(where.sll_addr, frame, ETH_ALEN);
	return sendto(packet_socket, frame, length, 0, (struct sockaddr *)&where, sizeof(where)) < 0 ? -1 : 0;
}

/* Sends one byte by UDP. */
static inline int na_datagram_send(int datagram_socket, uint32_t address, uint16_t port)
{
	struct sockaddr where = na_internet_address(address, port);

	return sendto(datagram_socket, "", 1, 0, &where, sizeof(where)) < 0 ? -1 : 0;
}
#endif
