package files

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"time"

	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"
)

// The folder cache/ holds renditions: cache/<sha256 of the content>-<size>.
// All of it can be made again, so it may be deleted at any time, and what goes
// wrong in it costs only work.
const (
	maxCache = 1 << 30 // bytes
	// minCached is how many bytes a file counts at least, so that there are
	// never more than 65,536.
	minCached = 16 << 10
	// cacheGrowth is how many bytes a worker adds before it looks at the size.
	cacheGrowth = 64 << 20
	// touchAfter is how old the mark of the last use may be: a disk that
	// only shows pictures is not written to each time.
	touchAfter = 12 * time.Hour
)

// cached opens a rendition that was made before.
func (rn *renditions) cached(name string) (p httpx.Rendition, ok bool) {
	p.Tag = `"` + name + `"`
	name = path.Join(disk.Cache, name)
	file, info, err := rn.vol.disk.Open(name)
	if err != nil {
		return p, false
	}
	head := make([]byte, 8)
	n, _ := file.ReadAt(head, 0)
	p.Content, p.Size, p.MediaType = file, info.Size(), http.DetectContentType(head[:n])
	if p.Size == 0 {
		file.Close()
		return p, false
	}
	if now := time.Now(); now.Sub(info.ModTime()) > touchAfter {
		_ = rn.vol.disk.Touch(name, now) // it may have been evicted
	}
	return p, true
}

// keep puts a rendition into the cache. The bytes are durable before they have
// their name: a power cut leaves the whole file or none. Without success the
// next request makes the picture again.
func (rn *renditions) keep(ctx context.Context, name string, data []byte) {
	draft := path.Join(disk.Cache, journal.NewID().String())
	err := rn.vol.checkFree(int64(len(data)))
	if err == nil {
		err = rn.writeCached(draft, data)
	}
	if err == nil {
		err = rn.vol.disk.Replace(draft, path.Join(disk.Cache, name))
	}
	if err == nil && rn.cacheAdded.Add(max(minCached, int64(len(data)))) > cacheGrowth {
		err = rn.trimCache(ctx)
	}
	if err != nil {
		_ = rn.vol.disk.Remove(draft)
		rn.log.WarnContext(ctx, "cannot cache a rendition", "error", err)
	}
}

func (rn *renditions) writeCached(name string, data []byte) error {
	file, err := rn.vol.disk.Create(name)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = rn.vol.disk.Sync(file)
	}
	return errors.Join(err, file.Close())
}

// trimCache deletes what was used longest ago until the rest is small enough.
func (rn *renditions) trimCache(ctx context.Context) error {
	rn.cacheAdded.Store(0)
	names, err := rn.vol.disk.Names(disk.Cache)
	if err != nil {
		return err
	}
	infos := make(map[string]fs.FileInfo, len(names))
	for _, name := range names {
		name = path.Join(disk.Cache, name)
		if info, err := rn.vol.disk.Lstat(name); err == nil { // else another worker deleted it
			infos[name] = info
		}
	}
	newest := slices.SortedFunc(maps.Keys(infos), func(a, b string) int { return infos[b].ModTime().Compare(infos[a].ModTime()) })
	var total int64
	for _, name := range newest {
		if total += max(minCached, infos[name].Size()); total <= maxCache {
			continue
		}
		if err := rn.vol.disk.RemoveAll(name); err != nil {
			return err
		}
	}
	return ctx.Err()
}
