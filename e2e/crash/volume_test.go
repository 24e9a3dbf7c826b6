package crash

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// volume is the data directory of all servers on a machine of its own, by
// GlusterFS: a file system over the network whose client is a program, so that
// it needs nothing of the kernel but FUSE. Its locks hold across machines and go
// when a machine is not heard of any more.
type volume struct {
	m      *machines
	daemon *exec.Cmd
	mounts []string
	cached bool // as GlusterFS comes, with which not everything holds
}

// startVolume makes it, and mounts it for the servers and for the test itself.
func startVolume(m *machines) {
	m.t.Helper()
	v := &volume{m: m}
	m.t.Cleanup(v.stop)
	for _, own := range []string{"/var/lib/glusterd", "/var/log/glusterfs", "/run/gluster"} {
		must(m.t, os.MkdirAll(own, 0o755))
		must(m.t, syscall.Mount("tmpfs", own, "tmpfs", 0, ""))
	}
	brick := m.dir + "/brick"
	must(m.t, os.Mkdir(brick, 0o755))
	v.daemon = m.storage.command("glusterd", "--no-daemon", "--log-level", "WARNING")
	m.begin(v.daemon, "glusterd")
	await(m.t, "glusterd answers", func() bool { return m.storage.command("gluster", "pool", "list").Run() == nil })
	commands := []string{
		"volume create data " + m.storage.address + ":" + brick + " force",
		// How long a machine that is not heard of keeps its locks.
		"volume set data network.ping-timeout 10",
		"volume start data",
	}
	// What one machine has changed all others must see at once.
	if v.cached = os.Getenv("ABLATE") == "cache"; !v.cached {
		for cache := range strings.FieldsSeq("quick-read io-cache read-ahead readdir-ahead stat-prefetch open-behind write-behind") {
			commands = append(commands, "volume set data performance."+cache+" off")
		}
	}
	for _, command := range commands {
		m.storage.run(m.t, "gluster", append([]string{"--mode=script"}, strings.Fields(command)...)...)
	}
	here := v.mount(m.storage, "volume")
	must(m.t, os.Mkdir(here+"/data", 0o700))
	must(m.t, os.Mkdir(m.disk+"/data", 0o700))
	must(m.t, syscall.Mount(here+"/data", m.disk+"/data", "", syscall.MS_BIND, ""))
	v.mounts = append(v.mounts, m.disk+"/data")
	for _, w := range m.workers {
		w.environment = append(w.environment, "HOMEBASE_DATA_DIR="+v.mount(w, "volume-"+w.name)+"/data")
	}
}

// mount mounts it on a machine.
func (v *volume) mount(h *host, name string) (at string) {
	v.m.t.Helper()
	at = filepath.Join(v.m.dir, name)
	must(v.m.t, os.Mkdir(at, 0o755))
	options := "log-file=" + at + ".log"
	if !v.cached {
		options += ",attribute-timeout=0,entry-timeout=0,negative-timeout=0"
	}
	h.run(v.m.t, "mount", "-t", "glusterfs", "-o", options, v.m.storage.address+":/data", at)
	v.mounts = append(v.mounts, at)
	return at
}

// stop unmounts it; what runs of it ends with the test's namespaces.
func (v *volume) stop() {
	for i := range v.mounts {
		syscall.Unmount(v.mounts[len(v.mounts)-1-i], syscall.MNT_DETACH)
	}
	if v.daemon != nil && v.daemon.Process != nil {
		v.daemon.Process.Kill()
		v.daemon.Wait()
	}
}
