package crash

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// host is a machine as far as the network goes: a namespace with one wire to
// a switch, where the test itself is.
type host struct {
	name, address string
	inside        string   // where a server listens that runs there
	environment   []string // of that
}

const netns = "/run/netns"

// connect makes hosts, in a network that is the test's own.
func connect(t testing.TB, hosts ...*host) {
	t.Helper()
	links, err := net.Interfaces()
	must(t, err)
	if len(links) != 1 {
		t.Fatal("this network is not the test's own: make machines gives it one")
	}
	release(t)
	must(t, os.MkdirAll(netns, 0o755))
	must(t, syscall.Mount("tmpfs", netns, "tmpfs", 0, ""))
	ip(t, "link set lo up")
	ip(t, "link add name switch type bridge")
	ip(t, "address add 10.77.0.1/24 dev switch")
	ip(t, "link set switch up")
	for _, h := range hosts {
		ip(t, "netns add "+h.name)
		ip(t, fmt.Sprintf("link add to-%s type veth peer name wire netns %s", h.name, h.name))
		ip(t, fmt.Sprintf("link set to-%s master switch up", h.name))
		ip(t, fmt.Sprintf("-n %s address add %s/24 dev wire", h.name, h.address))
		ip(t, fmt.Sprintf("-n %s link set wire up", h.name))
		ip(t, fmt.Sprintf("-n %s link set lo up", h.name))
	}
}

// release unmounts the disks of others in the test's own namespace, which began
// with a copy of all mounts: a disk whose power is cut elsewhere would not end
// when it is unmounted there.
func release(t testing.TB) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for line := range strings.Lines(string(mounts)) {
		if at := strings.Fields(line)[4]; strings.Contains(at, "/hb-crash-") {
			must(t, syscall.Unmount(at, syscall.MNT_DETACH))
		}
	}
}

func ip(t testing.TB, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// let leads what comes to the host's port 8080 to a program that listens on
// loopback alone: without limits of rates a server listens nowhere else.
func (h *host) let(t testing.TB) {
	t.Helper()
	h.inside = "127.0.0.1:8080"
	h.run(t, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/wire/route_localnet")
	h.run(t, "nft", "add table ip door; add chain ip door in { type nat hook prerouting priority -100; }; add rule ip door in tcp dport 8080 dnat to "+h.inside)
}

// command runs a program on the host; the process that is started becomes it.
func (h *host) command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=" + netns + "/" + h.name, name}, args...)...)
}

func (h *host) run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := h.command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s on %s: %v: %s", name, h.name, err, out)
	}
}

// cut loses everything that goes from one host to another; the other direction
// stays.
func cut(t testing.TB, from, to *host) {
	t.Helper()
	to.run(t, "nft", "add table ip cut; add chain ip cut in { type filter hook input priority 0; }; add rule ip cut in ip saddr "+from.address+" drop")
}

// unplug pulls the host's wire.
func unplug(t testing.TB, h *host) {
	t.Helper()
	ip(t, fmt.Sprintf("link set to-%s down", h.name))
}

// throttle makes the host's wire slow in both directions. What waits for it is
// some seconds late.
func throttle(t testing.TB, h *host, rate string) {
	t.Helper()
	shape := strings.Fields("root tbf burst 4kb limit 64kb rate " + rate)
	h.run(t, "tc", append(strings.Fields("qdisc add dev wire"), shape...)...)
	if out, err := exec.Command("tc", append(strings.Fields("qdisc add dev to-"+h.name), shape...)...).CombinedOutput(); err != nil {
		t.Fatalf("tc: %v: %s", err, out)
	}
}

// mend takes all of this back.
func mend(t testing.TB, hosts ...*host) {
	t.Helper()
	for _, h := range hosts {
		ip(t, fmt.Sprintf("link set to-%s up", h.name))
		// What was not done cannot be undone.
		h.command("nft", "delete table ip cut").Run()
		h.command("tc", strings.Fields("qdisc del dev wire root")...).Run()
		exec.Command("tc", strings.Fields("qdisc del dev to-"+h.name+" root")...).Run()
	}
}
