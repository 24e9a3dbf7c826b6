package files

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/files/naming"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A search finds a tree's items whose names hold every word of q anywhere,
// both folded by naming.Fold, in the order of the names. items_search_idx has a
// key for every run of one, two and three characters of an owner's name, so
// short words are found as long ones are, and other people's names cost
// nothing.
//
// What the index finds has to be read and sorted for each page, so it is asked
// for so much alone. Where it finds more, a page is soon full: then the
// owner's names are walked in their order by items_name_sort_idx.

const (
	// longestRun is how many characters a key of items_search_idx stands for at most.
	longestRun = 3
	mostQuery  = 1000 // bytes of q
	// mostSorted is how many items are read to sort them.
	mostSorted = 5000
)

// criteria are the conditions of a search as SQL.
type criteria struct {
	ids  []uuid.UUID // of the items to choose from; nil: all of the owner
	sql  strings.Builder
	args []any
}

// add appends a condition; %d is the number of its parameter.
func (c *criteria) add(condition string, arg any) {
	c.args = append(c.args, arg)
	fmt.Fprintf(&c.sql, "\n AND "+condition, len(c.args))
}

// getSearch is GET /files/search.
func (rd *reader) getSearch(c *httpx.Call, p httpx.Keyset[hitPlace]) ([]child, error) {
	filters := c.URL.Query()
	owner := visitOf(c.Context()).owner
	chosen := criteria{args: []any{owner, p.Limit}}
	if err := rd.addWords(c.Context(), &chosen, owner, filters.Get("q")); err != nil {
		return nil, err
	}
	if err := rd.addFilters(c.Context(), &chosen, owner, filters); err != nil {
		return nil, err
	}
	if after := p.After(hitPlace{}); after.ID != uuid.Nil {
		chosen.add(`i.name_sort >= $%d`, after.Name)
		chosen.add(fmt.Sprintf(`(i.name_sort, i.id) > ($%d, $%%d)`, len(chosen.args)), after.ID)
	}
	sql, args := chosen.query()
	return db.All(c.Context(), rd.db, db.RowOf(func(c *child) []any { return append(c.Fields(), &c.path, &c.key) }), sql, args...)
}

// hitPlace is a found item's place in the order of the names.
type hitPlace struct {
	Name string    `json:"name"`
	ID   uuid.UUID `json:"id"`
}

func (c child) hitPlace() hitPlace { return hitPlace{c.key, c.ID} }

// query reads a page. What lies below something trashed is told by its folder,
// and there are fewer folders in the trash than files anywhere.
func (c *criteria) query() (sql string, args []any) {
	// Planned anew each time: what is good depends on the words.
	args = append([]any{pgx.QueryExecModeDescribeExec}, c.args...)
	from := `items i`
	if c.ids != nil {
		args = append(args, c.ids)
		// OFFSET 0: one by one, by their ids.
		from = fmt.Sprintf(`unnest($%d::uuid[]) AS f (id) CROSS JOIN LATERAL (
		        SELECT i.id, i.owner_id, i.parent_id, i.kind, i.name_sort, i.name_folded, i.size, i.media_type, i.mtime, i.updated_at, i.trashed_at
		          FROM items i WHERE i.id = f.id OFFSET 0) AS i`, len(c.args)+1)
	}
	return `-- name: files.Search
		WITH hits AS (
		    SELECT i.id
		      FROM ` + from + `
		     WHERE i.owner_id = $1 AND i.trashed_at IS NULL AND i.parent_id IS NOT NULL
		       AND i.parent_id NOT IN (SELECT g.id FROM trash_folders($1) AS g (id))` + c.sql.String() + `
		     ORDER BY i.name_sort, i.id LIMIT $2
		)
		SELECT ` + itemColumns + `, ` + pathColumn + `, i.name_sort
		  FROM hits h JOIN items i ON i.id = h.id
		 ORDER BY i.name_sort, i.id`, args
}

// runsOf are the runs of characters that names with these words have, of which
// the index has keys.
func runsOf(words []string) (runs []string) {
	for _, word := range words {
		letters := []rune(word)
		size := min(len(letters), longestRun)
		for i := size; i <= len(letters); i++ {
			runs = append(runs, string(letters[i-size:i]))
		}
	}
	return runs
}

const itemsByRuns = `-- name: files.ItemsByRuns
	SELECT i.id FROM items i
	 WHERE name_keys(i.owner_id, i.name_folded) @> run_keys($1, $2) AND i.trashed_at IS NULL LIMIT $3`

// addWords demands the words of q in the name.
func (rd *reader) addWords(ctx context.Context, c *criteria, owner uuid.UUID, q string) error {
	if len(q) > mostQuery {
		return httpx.ErrInvalidParameter.With("q is too long; give fewer words.")
	}
	q = naming.Fold(q)
	if strings.ContainsFunc(q, func(r rune) bool { return r >= utf8.RuneSelf }) {
		// As the names are kept.
		const sql = `-- name: files.NormalizeQuery
			SELECT normalize($1, NFC)`
		var err error
		if q, err = db.One(ctx, rd.db, db.Value[string], sql, q); err != nil {
			return err
		}
	}
	words := strings.Fields(q)
	if len(words) == 0 {
		return nil
	}
	c.add(`NOT EXISTS (SELECT FROM unnest($%d::text[]) AS w WHERE strpos(i.name_folded, w) = 0)`, words)
	ids, err := db.All(ctx, rd.db, db.Value[uuid.UUID], itemsByRuns, pgx.QueryExecModeDescribeExec, owner, runsOf(words), mostSorted+1)
	if len(ids) <= mostSorted { // else the index finds too much
		c.ids = ids
	}
	return err
}

// addFilters demands what the other parameters ask for.
func (rd *reader) addFilters(ctx context.Context, c *criteria, owner uuid.UUID, filters url.Values) error {
	if s := filters.Get("type"); s != "" {
		kind, ok := map[string]int16{"file": journal.File, "folder": journal.Folder}[s]
		if !ok {
			return httpx.ErrInvalidParameter.With("type must be file or folder.")
		}
		c.add(`i.kind = $%d`, kind)
	}
	if media := filters.Get("media_type"); media != "" {
		if family, all := strings.CutSuffix(media, "/*"); all {
			c.add(`i.media_type ^@ $%d`, family+"/")
		} else {
			c.add(`i.media_type = $%d`, media)
		}
	}
	for name, condition := range map[string]string{"min_size": `i.size >= $%d`, "max_size": `i.size <= $%d`} {
		if s := filters.Get(name); s != "" {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return httpx.ErrInvalidParameter.With(name + " must be a number of bytes.")
			}
			c.add(condition, n)
		}
	}
	// A folder has no bytes: there the last change counts.
	const modified = `coalesce(i.mtime, (extract(epoch FROM i.updated_at) * 1000000000)::bigint)`
	for name, condition := range map[string]string{"modified_after": modified + ` > $%d`, "modified_before": modified + ` < $%d`} {
		if s := filters.Get(name); s != "" {
			at, err := time.Parse(time.RFC3339, s)
			if err != nil {
				return httpx.ErrInvalidParameter.With(name + " must be a time such as 2006-01-02T15:04:05Z.")
			}
			c.add(condition, disk.Nanoseconds(at))
		}
	}
	s := filters.Get("folder_id")
	if s == "" {
		return nil
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return httpx.ErrInvalidParameter.With("folder_id must be the id of a folder.")
	}
	if _, err := itemByID(ctx, rd.db, owner, id); err != nil {
		return err
	}
	// As a filter, whatever it might save as a join: of a large folder nearly
	// all would be read.
	c.add(`(i.parent_id IN (
		SELECT b.id FROM folder_below($%d) b)) IS TRUE`, id)
	return nil
}
