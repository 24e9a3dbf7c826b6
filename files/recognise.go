package files

import (
	"context"
	"slices"

	"homebase/files/disk"
)

// recognise finds what was moved and does not carry its id: by inode, size
// and time, and else by its bytes, which are read only where a missing file
// has the size.
func (c *comparison) recognise(ctx context.Context) error {
	bySize := map[int64][]*difference{}
	for _, d := range c.diffs {
		if d.kind == diffMissing && d.item.isFile() && d.item.Size > 0 {
			bySize[d.item.Size] = append(bySize[d.item.Size], d)
		}
	}
	gone := map[*difference]bool{}
	for _, d := range c.diffs {
		if d.kind != diffNew || d.former || !d.isFile() || d.trash != nil {
			continue
		}
		candidates := slices.DeleteFunc(slices.Clone(bySize[d.info.Size()]), func(m *difference) bool { return gone[m] })
		if len(candidates) == 0 {
			continue
		}
		i := slices.IndexFunc(candidates, func(m *difference) bool {
			return m.item.Ino != nil && *m.item.Ino == disk.Inode(d.info) && m.item.matches(d.info)
		})
		if i < 0 {
			sum, err := c.f.sumAt(ctx, d.place, d.info)
			if err != nil {
				return err
			}
			i = slices.IndexFunc(candidates, func(m *difference) bool { return string(m.item.SHA256) == string(sum) })
		}
		if i >= 0 {
			d.kind, d.item, d.from = diffMoved, candidates[i].item, candidates[i].place
			gone[candidates[i]] = true
		}
	}
	c.diffs = slices.DeleteFunc(c.diffs, func(d *difference) bool { return gone[d] })
	return nil
}
