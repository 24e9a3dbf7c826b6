package journal

import (
	"errors"
	"os"
	"path"
	"slices"

	"homebase/files/disk"
)

// folders are those that a publish works in, each opened once.
type folders struct {
	disk *disk.Dir
	open map[string]*os.File
}

// at gives the folder above a path, and the path's last name.
func (o *folders) at(p string) (folder *os.File, name string, err error) {
	above, name := path.Dir(p), path.Base(p)
	if f, ok := o.open[above]; ok {
		return f, name, nil
	}
	f, err := o.disk.Folder(above)
	if err == nil {
		o.open[above] = f
	}
	return f, name, err
}

// lstat looks at a path.
func (o *folders) lstat(p string) (disk.Entry, error) {
	folder, name, err := o.at(p)
	if err != nil {
		return disk.Entry{}, err
	}
	return o.disk.LstatIn(folder, name)
}

// between calls act for the folders and names of two paths.
func (o *folders) between(source, target string, act func(from *os.File, name string, to *os.File, newName string) error) error {
	from, name, err := o.at(source)
	if err != nil {
		return err
	}
	to, newName, err := o.at(target)
	if err != nil {
		return err
	}
	return act(from, name, to, newName)
}

// forget closes what is open: something else may be at the paths by now.
func (o *folders) forget() {
	for _, f := range o.open {
		f.Close()
	}
	clear(o.open)
}

// flushes are folders to be made durable, each once, in order, with the
// records that want it.
type flushes struct {
	folders []string
	records [][]int
}

func (f *flushes) add(folder string, i int) {
	at := slices.Index(f.folders, folder)
	if at < 0 {
		at = len(f.folders)
		f.folders, f.records = append(f.folders, folder), append(f.records, nil)
	}
	f.records[at] = append(f.records[at], i)
}

// flush makes the folders durable. Where one fails its records must stay: see
// followLater.
func (o *folders) flush(f *flushes, errs []error) {
	for n, above := range f.folders {
		if disk.Without("flush") {
			return
		}
		folder, _, err := o.at(path.Join(above, "x"))
		switch {
		case err == nil:
			err = errors.Join(o.disk.Sync(folder), o.disk.Fails("flush"))
		case !disk.Failed(err):
			err = nil // the source folder has gone since, and a file may have its name
		}
		for _, i := range f.records[n] {
			errs[i] = errors.Join(errs[i], err)
		}
	}
}
