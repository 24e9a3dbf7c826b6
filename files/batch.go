package files

import (
	"context"
	"fmt"
	"net/http"

	"homebase/httpx"

	"github.com/google/uuid"
)

// batchRequest is a list of operations on items, of any tree.
type batchRequest struct {
	Operations []operation `json:"operations" most:"500,count"`
}

// operation is one of them: move, copy or trash, as the routes of one item do
// it. What is absent stays, or is as with the original.
type operation struct {
	Op       string     `json:"op"`
	ID       uuid.UUID  `json:"id"`
	ParentID *uuid.UUID `json:"parent_id,omitempty"`
	Name     *string    `json:"name,omitempty"`
}

// batchBody has a result for each operation, in their order.
type batchBody struct {
	Results []result `json:"results"`
}

// result is what the operation would have been answered with by itself.
type result struct {
	Status  int             `json:"status"`
	Item    *itemBody       `json:"item,omitempty"`
	LeftOut []leftOut       `json:"left_out,omitempty"` // of a copy of a folder
	Problem *httpx.Document `json:"problem,omitempty"`
}

// postBatch is POST /files/batch. The operations are carried out one after
// another, each a change of its own: one that is refused stops none of the
// others. A client that goes away stops those that have not begun, and a caller
// who may not write any more has them refused before any work is done.
func (wr *writer) postBatch(c *httpx.Call, req batchRequest) (batchBody, error) {
	var fields httpx.Fields
	if len(req.Operations) == 0 {
		fields.Add("#/operations", "count", "Give 1 to 500 operations.")
	}
	for i, o := range req.Operations {
		at := fmt.Sprintf("#/operations/%d", i)
		switch o.Op {
		case "move", "copy":
		case "trash":
			if o.ParentID != nil || o.Name != nil {
				fields.Add(at, "invalid", "Leave out parent_id and name when op is trash.")
			}
		default:
			fields.Add(at+"/op", "invalid", "op must be move, copy or trash.")
		}
	}
	if err := fields.Err(); err != nil {
		return batchBody{}, err
	}
	body := batchBody{make([]result, len(req.Operations))}
	for i, o := range req.Operations {
		if c.Context().Err() != nil {
			return batchBody{}, context.Cause(c.Context())
		}
		body.Results[i] = wr.carryOutOne(c.Context(), o)
	}
	return body, nil
}

func (wr *writer) carryOutOne(ctx context.Context, o operation) (res result) {
	var it placed
	need := editor
	if o.Op == "copy" {
		need = viewer // of where it goes, copy asks itself
	}
	err := wr.auth.Still(ctx, mayWrite)
	if err == nil {
		ctx, _, err = wr.trees.enterTreeOf(ctx, o.ID, need)
	}
	owner := visitOf(ctx).owner
	switch {
	case err != nil:
	case o.Op == "move":
		res.Status = http.StatusOK
		it, err = wr.move(ctx, o.ID, o.Name, o.ParentID, http.Header{})
	case o.Op == "copy":
		res.Status = http.StatusCreated
		it, res.LeftOut, err = wr.copy(ctx, owner, o.ID, copyRequest{o.ParentID, o.Name})
	case o.Op == "trash":
		res.Status = http.StatusNoContent
		err = wr.tr.trash(ctx, owner, o.ID, http.Header{})
	}
	if err != nil {
		document := httpx.DocumentOf(ctx, err)
		return result{Status: document.Status, Problem: &document}
	}
	if o.Op != "trash" {
		res.Item = new(it.shown())
	}
	return res
}
