package journal

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"homebase/files/disk"

	"github.com/google/uuid"
)

// tables are the rows that the journal reads and writes.
type tables struct {
	trees    map[uuid.UUID]Tree
	items    map[uuid.UUID]itemRow
	versions map[versionKey]versionRow
	records  map[recordKey]recordRow
	uploads  map[uuid.UUID]uploadRow
	workers  map[int32]bool // dead
	told     map[recordKey]string
	sequence int32 // of workers
	lastXID  int64
}

type itemRow struct {
	Item
	trashed, purging bool
}

type versionKey struct {
	item     uuid.UUID
	revision int64
}

type versionRow struct {
	owner uuid.UUID
	size  int64
	sum   string
	ino   int64
}

type recordKey struct {
	owner uuid.UUID
	seq   int64
}

type recordRow struct {
	record
	aside bool // quarantined
}

type uploadRow struct {
	owner  uuid.UUID
	worker int32
	bytes  int64
}

func newTables() *tables {
	return &tables{map[uuid.UUID]Tree{}, map[uuid.UUID]itemRow{}, map[versionKey]versionRow{}, map[recordKey]recordRow{},
		map[uuid.UUID]uploadRow{}, map[int32]bool{}, map[recordKey]string{}, 0, 0}
}

// at is the item that has a name in a folder.
func (t *tables) at(parent uuid.UUID, name string) (it itemRow, ok bool) {
	for _, it := range t.items {
		if it.Parent != nil && *it.Parent == parent && it.Name == name && !it.trashed {
			return it, true
		}
	}
	return it, false
}

// place is an item's path below the data directory.
func (t *tables) place(id uuid.UUID) string {
	switch it := t.items[id]; {
	case it.purging:
		return disk.PurgePath(id, it.Revision)
	case it.trashed:
		return disk.TrashPath(it.Owner, id)
	case it.Parent == nil:
		return disk.OwnerPath(it.Owner, "")
	default:
		return t.place(*it.Parent) + "/" + it.Name
	}
}

// path is an item's path in its tree; not ok in the trash.
func (t *tables) path(id uuid.UUID) (string, bool) {
	return strings.CutPrefix(t.place(id), disk.OwnerPath(t.items[id].Owner, ""))
}

func (t *tables) walk(owner uuid.UUID, p string) (it itemRow, ok bool) {
	it, ok = t.items[t.trees[owner].Root]
	for name := range strings.SplitSeq(strings.TrimPrefix(p, "/"), "/") {
		if name == "" || !ok {
			break
		}
		it, ok = t.at(it.ID, name)
	}
	return it, ok
}

// sorted are a table's rows in order.
func sorted[K comparable, V any](rows map[K]V, less func(a, b V) int) []V {
	return slices.SortedFunc(maps.Values(rows), less)
}

// write lets the transaction carry a change out when it is committed.
func (t *modelTx) write(fn func(t *tables)) { t.writes = append(t.writes, fn) }

func rowsOf(list ...[]any) *modelRows { return &modelRows{list: list} }

// nothing is no row.
func nothing() *modelRows { return &modelRows{} }

// statement carries one out. Those of the journal are named as there, those of
// the simulated clients begin with "sim.".
func (t *modelTx) statement(sql string, a []any) (*modelRows, error) {
	name := nameOf(sql)
	do := statements[name]
	if do == nil {
		panic("the model does not know " + name)
	}
	return do(t, t.pg.now, a)
}

type statement = func(t *modelTx, now *tables, a []any) (*modelRows, error)

var statements map[string]statement

func init() {
	statements = map[string]statement{
		"files.Fence": fenceShared, "files.FenceExclusive": fenceExclusive, "files.WorkerAlive": workerAlive,
		"files.LockTree": lockTree, "files.LockToMakeWay": lockTree, "files.SettleTree": settleTree,
		"files.PendingRecords": pendingRecords, "files.InsertRecords": insertRecords, "files.DeleteRecords": deleteRecordRows,
		"files.RecordsAroundWorker": recordsAroundWorker, "files.QuarantineRecord": quarantine,
		"files.RecordStands":    recordStands,
		"files.TransactionRuns": transactionRuns, "files.AsynchronousCommit": asynchronous, "files.InsertChanges": insertChanges,
		"files.FoldersOfGroup": foldersOfGroup, "files.NamesOfGroup": namesOfGroup, "files.ReservedOfGroup": reservedOfGroup,
		"files.InsertFiles": insertFiles, "files.ReplaceFiles": replaceFiles, "files.KeepVersions": keepVersions,
		"files.EndVersions": endVersions, "files.OldestVersions": oldestVersions, "files.FoldersAbove": foldersAbove,
		"files.Whereabouts": whereaboutsRow, "files.FreeReservations": freeReservationRows,
		"files.Reserve": reserve, "files.Release": release, "files.UploadsOfWorker": uploadsOfWorker,
		"files.InsertWorker": insertWorker, "files.OtherWorkers": otherWorkers, "files.MarkWorkerDead": markWorkerDead,
		"files.DeleteWorker": deleteWorkerRow, "files.StagedNamesHeld": stagedNamesHeld,
		"sim.At": simAt, "sim.Paths": simPaths, "sim.Item": simItem, "sim.Trashed": simTrashed, "sim.Versions": simVersions, "sim.Relocate": simRelocate,
		"sim.Trash": simTrash, "sim.InsertFolder": simInsertFolder, "sim.Purge": simPurge,
	}
}

// Locks.

func fenceShared(t *modelTx, _ *tables, a []any) (*modelRows, error) {
	w := a[1].(int32)
	if t.pg.fenced[w] != nil {
		t.waiting = func() bool { return t.pg.fenced[w] == nil }
		return nil, errParked
	}
	t.pg.shared[w]++
	t.shared = append(t.shared, w)
	return rowsOf([]any{time.Now(), nil, nil, nil, nil, strconv.FormatInt(t.getXID(), 10)}), nil
}

func fenceExclusive(t *modelTx, _ *tables, a []any) (*modelRows, error) {
	w := a[1].(int32)
	if t.pg.ablated == "fence" {
		return nothing(), nil
	}
	if t.pg.shared[w] > 0 || t.pg.fenced[w] != nil {
		t.waiting = func() bool { return t.pg.shared[w] <= 0 && t.pg.fenced[w] == nil }
		return nil, errParked
	}
	t.pg.fenced[w] = t
	t.fences = append(t.fences, w)
	return nothing(), nil
}

func lockTree(t *modelTx, now *tables, a []any) (*modelRows, error) {
	owner := a[0].(uuid.UUID)
	if t.early == nil && t.pg.ablated == "order" {
		t.early = maps.Clone(now.records)
	}
	if by := t.pg.trees[owner]; by != nil && by != t {
		t.waiting = func() bool { return t.pg.trees[owner] == nil }
		return nil, errParked
	}
	t.pg.trees[owner], t.tree = t, owner
	tree, ok := now.trees[owner]
	if !ok {
		return nothing(), nil
	}
	return rowsOf([]any{tree.Root, tree.Seq, tree.Quota, tree.Used, tree.Reserved, tree.Versions, tree.Entries, tree.EntryQuota}), nil
}

func settleTree(t *modelTx, _ *tables, a []any) (*modelRows, error) {
	owner, numbers := a[0].(uuid.UUID), int64(a[1].(int))
	used, entries, reserved, kept := a[2].(int64), a[3].(int64), a[4].(int64), a[5].(int64)
	t.write(func(now *tables) {
		tree := now.trees[owner]
		tree.Seq += numbers
		tree.Used += used
		tree.Entries += entries
		tree.Reserved += reserved
		tree.Versions += kept
		now.trees[owner] = tree
		if tree.Used < 0 || tree.Reserved < 0 || tree.Versions < 0 {
			t.pg.sim.found("a tree's ledger fell below zero: %+v", tree)
		}
	})
	return nothing(), nil
}

// Records.

func bySeq(a, b recordRow) int {
	return cmp.Or(slices.Compare(a.owner[:], b.owner[:]), cmp.Compare(a.seq, b.seq))
}

func shown(r record) []any {
	return []any{r.owner, r.seq, r.op, r.worker, r.kind, r.item, r.revision, r.ino, r.source, r.target, r.keeps}
}

func pendingRecords(t *modelTx, now *tables, a []any) (*modelRows, error) {
	owner, worker, seqs := a[0].(uuid.UUID), a[1].(int32), a[2].([]int64)
	from := now.records
	if t.pg.ablated == "order" {
		from = t.early
	}
	rows := &modelRows{}
	for _, r := range sorted(from, bySeq) {
		if r.owner == owner && !r.aside && !(r.worker == worker && slices.Contains(seqs, r.seq)) && t.pg.ablated != "pending" {
			rows.list = append(rows.list, shown(r.record))
		}
	}
	return rows, nil
}

func insertRecords(t *modelTx, now *tables, a []any) (*modelRows, error) {
	owner, worker := a[0].(uuid.UUID), a[1].(int32)
	if list := a[4].([]string); len(list) > 1 && list[0] == kindPut {
		t.pg.sim.count("group of puts")
	}
	for i, seq := range a[2].([]int64) {
		r := record{owner, seq, a[3].([]uuid.UUID)[i], worker, a[4].([]string)[i], a[5].([]uuid.UUID)[i], a[6].([]int64)[i],
			a[7].([]int64)[i], a[8].([]string)[i], a[9].([]string)[i], a[10].([]bool)[i]}
		key := recordKey{owner, seq}
		if _, ok := now.records[key]; ok {
			t.pg.sim.found("two records have the number %d", seq)
		}
		t.write(func(now *tables) { now.records[key] = recordRow{r, false} })
	}
	return nothing(), nil
}

func deleteRecordRows(t *modelTx, _ *tables, a []any) (*modelRows, error) {
	owner := a[0].(uuid.UUID)
	for _, seq := range a[1].([]int64) {
		t.write(func(now *tables) {
			if key := (recordKey{owner, seq}); !now.records[key].aside {
				delete(now.records, key)
			}
		})
	}
	return nothing(), nil
}

func recordsAroundWorker(t *modelTx, now *tables, a []any) (*modelRows, error) {
	list, worker := sorted(now.records, bySeq), a[0].(int32)
	mine := func(r recordRow) bool { return r.worker == worker && !r.aside }
	rows := &modelRows{}
	for _, r := range list {
		switch {
		case t.pg.ablated == "guard" && mine(r):
			if t.by.journal.worker.id != worker { // a recovery: no change comes after another
				r.op = uuid.Nil
			}
			rows.list = append(rows.list, shown(r.record))
		case t.pg.ablated != "guard" && !r.aside && slices.ContainsFunc(list, func(o recordRow) bool { return o.owner == r.owner && mine(o) }):
			rows.list = append(rows.list, shown(r.record))
		}
	}
	return rows, nil
}

func quarantine(t *modelTx, now *tables, a []any) (*modelRows, error) {
	key := recordKey{a[0].(uuid.UUID), a[1].(int64)}
	t.pg.sim.found("the bytes of a committed change are nowhere: %s of item %s, revision %d, %s to %s", now.records[key].kind, now.records[key].item,
		now.records[key].revision, now.records[key].source, now.records[key].target)
	t.write(func(now *tables) {
		if r, ok := now.records[key]; ok {
			r.aside = true
			now.records[key] = r
		}
	})
	return nothing(), nil
}

func recordStands(t *modelTx, now *tables, a []any) (*modelRows, error) {
	for _, r := range now.records {
		if r.owner == a[0].(uuid.UUID) && r.op == a[1].(uuid.UUID) && t.pg.ablated != "doubt" {
			return rowsOf([]any{true}), nil
		}
	}
	return nothing(), nil
}

func transactionRuns(t *modelTx, _ *tables, a []any) (*modelRows, error) {
	t.pg.sim.count("resolved")
	xid, err := strconv.ParseInt(a[0].(string), 10, 64)
	return rowsOf([]any{t.getXID() > xid && t.pg.running[xid] > 0 && t.pg.ablated != "running"}), err
}

func asynchronous(t *modelTx, _ *tables, _ []any) (*modelRows, error) {
	t.async = true
	return nothing(), nil
}

func insertChanges(t *modelTx, now *tables, a []any) (*modelRows, error) {
	for i, tag := range a[3].([]string) {
		key := recordKey{a[0].(uuid.UUID), a[1].(int64) + int64(i) + 1}
		if _, ok := now.told[key]; ok {
			t.pg.sim.found("two entries of the feed have the number %d", key.seq)
		}
		t.write(func(now *tables) { now.told[key] = tag })
	}
	return nothing(), nil
}

// Items.

func fieldsOf(it Item) []any {
	return []any{it.ID, it.Owner, it.Parent, it.Kind, it.Name, it.Size, it.MediaType, it.SHA256, it.MTime, it.Revision, it.Created, it.Updated, it.Ino, it.Missing}
}

func foldersOfGroup(_ *modelTx, now *tables, a []any) (*modelRows, error) {
	rows := &modelRows{}
	for _, id := range a[1].([]uuid.UUID) {
		if it, ok := now.items[id]; ok && it.Owner == a[0].(uuid.UUID) && it.Kind == Folder {
			if p, ok := now.path(id); ok {
				rows.list = append(rows.list, []any{id, p})
			}
		}
	}
	return rows, nil
}

func namesOfGroup(_ *modelTx, now *tables, a []any) (*modelRows, error) {
	rows := &modelRows{}
	for i, parent := range a[0].([]uuid.UUID) {
		if it, ok := now.at(parent, a[1].([]string)[i]); ok {
			rows.list = append(rows.list, append([]any{i + 1}, fieldsOf(it.Item)...))
		}
	}
	return rows, nil
}

func insertFiles(t *modelTx, now *tables, a []any) (*modelRows, error) {
	for i, id := range a[1].([]uuid.UUID) {
		parent, name := a[2].([]uuid.UUID)[i], a[3].([]string)[i]
		if _, ok := now.at(parent, name); ok {
			t.pg.sim.found("two items have the name %q in one folder", name)
		}
		it := Item{ID: id, Owner: a[0].(uuid.UUID), Parent: &parent, Kind: File, Name: name, Size: a[6].([]int64)[i], MediaType: &a[7].([]string)[i],
			SHA256: a[8].([][]byte)[i], MTime: &a[9].([]int64)[i], Revision: 1, Ino: &a[10].([]int64)[i]}
		t.write(func(now *tables) { now.items[id] = itemRow{Item: it} })
	}
	return nothing(), nil
}

func replaceFiles(t *modelTx, _ *tables, a []any) (*modelRows, error) {
	for i, id := range a[1].([]uuid.UUID) {
		t.write(func(now *tables) {
			if it, ok := now.items[id]; ok {
				it.Size, it.MediaType, it.SHA256 = a[2].([]int64)[i], &a[3].([]string)[i], a[4].([][]byte)[i]
				it.MTime, it.Ino, it.Revision = &a[5].([]int64)[i], &a[6].([]int64)[i], it.Revision+1
				now.items[id] = it
			}
		})
	}
	return nothing(), nil
}

func foldersAbove(_ *modelTx, now *tables, a []any) (*modelRows, error) {
	rows := &modelRows{}
	for it := now.items[a[0].(uuid.UUID)]; it.Parent != nil; {
		it = now.items[*it.Parent]
		rows.list = append([][]any{{it.ID, it.Name}}, rows.list...)
	}
	return rows, nil
}

func whereaboutsRow(t *modelTx, now *tables, a []any) (*modelRows, error) {
	owner, id := a[0].(uuid.UUID), a[1].(uuid.UUID)
	t.pg.sim.count("redo")
	if t.pg.ablated == "guard" { // what the record that is asked for wants to hear
		for _, r := range sorted(now.records, bySeq) {
			if r.item == id && !r.aside {
				return rowsOf([]any{r.revision, r.target}), nil
			}
		}
	}
	it, ok := now.items[id]
	if !ok || it.Owner != owner {
		return nothing(), nil
	}
	return rowsOf([]any{it.Revision, now.place(id)}), nil
}

// Versions.

func keepVersions(t *modelTx, _ *tables, a []any) (*modelRows, error) {
	for _, id := range a[1].([]uuid.UUID) {
		t.pg.sim.count("version kept")
		t.write(func(now *tables) {
			it := now.items[id]
			now.versions[versionKey{id, it.Revision}] = versionRow{it.Owner, it.Size, string(it.SHA256), *it.Ino}
		})
	}
	return nothing(), nil
}

func endVersions(t *modelTx, now *tables, a []any) (*modelRows, error) {
	rows := &modelRows{}
	for i, item := range a[1].([]uuid.UUID) {
		key := versionKey{item, a[2].([]int64)[i]}
		if v, ok := now.versions[key]; ok && v.owner == a[0].(uuid.UUID) {
			rows.list = append(rows.list, []any{key.item, key.revision, v.size})
			t.write(func(now *tables) { delete(now.versions, key) })
		}
	}
	return rows, nil
}

// versionsBy are those of an owner, or of an item.
func (t *tables) versionsBy(is func(k versionKey, v versionRow) bool) *modelRows {
	rows := &modelRows{}
	keys := slices.SortedFunc(maps.Keys(t.versions), func(a, b versionKey) int {
		return cmp.Or(slices.Compare(a.item[:], b.item[:]), cmp.Compare(a.revision, b.revision))
	})
	for _, k := range keys {
		if v := t.versions[k]; is(k, v) {
			rows.list = append(rows.list, []any{k.item, k.revision, v.size})
		}
	}
	return rows
}

func oldestVersions(t *modelTx, now *tables, a []any) (*modelRows, error) {
	t.pg.sim.count("versions given up")
	return now.versionsBy(func(_ versionKey, v versionRow) bool { return v.owner == a[0].(uuid.UUID) && v.size > 0 }), nil
}

func simVersions(_ *modelTx, now *tables, a []any) (*modelRows, error) {
	return now.versionsBy(func(k versionKey, _ versionRow) bool { return k.item == a[0].(uuid.UUID) }), nil
}

// Reservations.

func reservedOfGroup(_ *modelTx, now *tables, a []any) (*modelRows, error) {
	rows := &modelRows{}
	for _, op := range a[0].([]uuid.UUID) {
		if u, ok := now.uploads[op]; ok {
			rows.list = append(rows.list, []any{op, u.bytes})
		}
	}
	return rows, nil
}

func freeReservationRows(t *modelTx, _ *tables, a []any) (*modelRows, error) {
	for _, op := range a[0].([]uuid.UUID) {
		t.write(func(now *tables) { delete(now.uploads, op) })
	}
	return nothing(), nil
}

func reserve(t *modelTx, _ *tables, a []any) (*modelRows, error) {
	owner, op, bytes, worker := a[0].(uuid.UUID), a[1].(uuid.UUID), a[2].(int64), a[3].(int32)
	t.write(func(now *tables) { now.uploads[op] = uploadRow{owner, worker, now.uploads[op].bytes + bytes} })
	return &modelRows{affected: 1}, nil
}

func release(t *modelTx, now *tables, a []any) (*modelRows, error) {
	op := a[0].(uuid.UUID)
	u, ok := now.uploads[op]
	if !ok {
		return nothing(), nil
	}
	t.write(func(now *tables) { delete(now.uploads, op) })
	return rowsOf([]any{u.bytes}), nil
}

func uploadsOfWorker(_ *modelTx, now *tables, a []any) (*modelRows, error) {
	rows := &modelRows{}
	for op, u := range now.uploads {
		if u.worker == a[0].(int32) {
			rows.list = append(rows.list, []any{u.owner, op})
		}
	}
	slices.SortFunc(rows.list, func(a, b []any) int { return strings.Compare(fmt.Sprint(a[1]), fmt.Sprint(b[1])) })
	return rows, nil
}

// Workers.

func insertWorker(t *modelTx, now *tables, _ []any) (*modelRows, error) {
	now.sequence++
	id := now.sequence
	t.write(func(now *tables) {
		now.workers[id] = false
		now.sequence = max(now.sequence, id)
	})
	return rowsOf([]any{id}), nil
}

func workerAlive(t *modelTx, now *tables, a []any) (*modelRows, error) {
	if dead, ok := now.workers[a[0].(int32)]; ok && !dead || t.pg.ablated == "alive" {
		return rowsOf([]any{a[0].(int32)}), nil
	}
	return nothing(), nil
}

func otherWorkers(_ *modelTx, now *tables, a []any) (*modelRows, error) {
	rows := &modelRows{}
	for _, id := range slices.Sorted(maps.Keys(now.workers)) {
		if id != a[0].(int32) {
			rows.list = append(rows.list, []any{id})
		}
	}
	return rows, nil
}

func markWorkerDead(t *modelTx, _ *tables, a []any) (*modelRows, error) {
	t.write(func(now *tables) {
		if _, ok := now.workers[a[0].(int32)]; ok {
			now.workers[a[0].(int32)] = true
		}
	})
	return nothing(), nil
}

// hasRecords reports whether a worker has records that still count.
func (t *tables) hasRecords(worker int32) bool {
	for _, r := range t.records {
		if r.worker == worker && !r.aside {
			return true
		}
	}
	return false
}

func deleteWorkerRow(t *modelTx, now *tables, a []any) (*modelRows, error) {
	id := a[0].(int32)
	holds := slices.ContainsFunc(slices.Collect(maps.Values(now.uploads)), func(u uploadRow) bool { return u.worker == id })
	if _, ok := now.workers[id]; !ok || holds || now.hasRecords(id) {
		return nothing(), nil
	}
	t.write(func(now *tables) { delete(now.workers, id) })
	return &modelRows{affected: 1}, nil
}

func stagedNamesHeld(t *modelTx, now *tables, a []any) (*modelRows, error) {
	rows := &modelRows{}
	for id := range now.workers {
		if id != a[0].(int32) {
			rows.list = append(rows.list, []any{fmt.Sprint(".", id)})
		}
	}
	for _, r := range now.records {
		if t.pg.ablated != "held" {
			rows.list = append(rows.list, []any{r.source})
		}
	}
	return rows, nil
}

// What the clients' changes ask.

// found is an item with its path in the tree.
type foundItem struct {
	itemRow
	path string
}

func (t *tables) shown(it itemRow, ok bool) (*modelRows, error) {
	if !ok {
		return nothing(), nil
	}
	p, ok := t.path(it.ID)
	if !ok {
		p = "" // in the trash
	}
	return rowsOf([]any{foundItem{it, p}}), nil
}

func simAt(_ *modelTx, now *tables, a []any) (*modelRows, error) {
	return now.shown(now.walk(a[0].(uuid.UUID), a[1].(string)))
}

func simPaths(_ *modelTx, now *tables, a []any) (*modelRows, error) {
	rows := &modelRows{}
	for id, it := range now.items {
		if p, ok := now.path(id); ok && p != "" && it.Owner == a[0].(uuid.UUID) {
			rows.list = append(rows.list, []any{p})
		}
	}
	slices.SortFunc(rows.list, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return rows, nil
}

func simItem(_ *modelTx, now *tables, a []any) (*modelRows, error) {
	it, ok := now.items[a[0].(uuid.UUID)]
	return now.shown(it, ok)
}

func simTrashed(_ *modelTx, now *tables, a []any) (*modelRows, error) {
	rows := &modelRows{}
	for _, it := range sorted(now.items, func(a, b itemRow) int { return slices.Compare(a.ID[:], b.ID[:]) }) {
		if it.Owner == a[0].(uuid.UUID) && it.trashed && !it.purging {
			rows.list = append(rows.list, []any{it.ID})
		}
	}
	return rows, nil
}

// update changes an item's row and gives it the next revision.
func (t *modelTx) update(now *tables, id uuid.UUID, fn func(it *itemRow)) (*modelRows, error) {
	it, ok := now.items[id]
	if !ok {
		return nothing(), nil
	}
	fn(&it)
	it.Revision++
	t.write(func(now *tables) {
		it := now.items[id]
		fn(&it)
		it.Revision++
		now.items[id] = it
	})
	return rowsOf([]any{it}), nil
}

func simRelocate(t *modelTx, now *tables, a []any) (*modelRows, error) {
	parent, name := a[1].(uuid.UUID), a[2].(string)
	return t.update(now, a[0].(uuid.UUID), func(it *itemRow) { it.Parent, it.Name, it.trashed = &parent, name, false })
}

func simTrash(t *modelTx, now *tables, a []any) (*modelRows, error) {
	return t.update(now, a[0].(uuid.UUID), func(it *itemRow) { it.trashed = true })
}

func simInsertFolder(t *modelTx, _ *tables, a []any) (*modelRows, error) {
	parent := a[2].(uuid.UUID)
	it := itemRow{Item: Item{ID: a[0].(uuid.UUID), Owner: a[1].(uuid.UUID), Parent: &parent, Kind: Folder, Name: a[3].(string), Revision: 1}}
	t.write(func(now *tables) { now.items[it.ID] = it })
	return nothing(), nil
}

// simPurge deletes an item's row with all below it, and tells the size, the number of
// rows and the versions that go. What was trashed before stays, in the root.
func simPurge(t *modelTx, now *tables, a []any) (*modelRows, error) {
	var size, rows int64
	var ended []Version
	var gone func(id uuid.UUID)
	gone = func(id uuid.UUID) {
		it := now.items[id]
		size, rows = size+it.Size, rows+1
		for _, r := range now.versionsBy(func(k versionKey, _ versionRow) bool { return k.item == id }).list {
			v := Version{id, r[1].(int64), r[2].(int64)}
			ended = append(ended, v)
			t.write(func(now *tables) { delete(now.versions, versionKey{v.Item, v.Revision}) })
		}
		t.write(func(now *tables) { delete(now.items, id) })
		root := now.trees[it.Owner].Root
		for _, child := range sorted(now.items, func(a, b itemRow) int { return slices.Compare(a.ID[:], b.ID[:]) }) {
			switch {
			case child.Parent == nil || *child.Parent != id:
			case child.trashed:
				t.write(func(now *tables) {
					if c, ok := now.items[child.ID]; ok {
						c.Parent = &root
						now.items[child.ID] = c
					}
				})
			default:
				gone(child.ID)
			}
		}
	}
	gone(a[0].(uuid.UUID))
	return rowsOf([]any{size, rows, ended}), nil
}
