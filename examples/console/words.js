// What the server's short names mean, in words for people.

// checks are what a ready server has looked at.
export const checks = {
  database: 'database', schema: 'database version', notifications: 'notifications', storage: 'file storage', free_space: 'free space', redo: 'unfinished writes',
}

export const jobs = (name) => name.replaceAll(/[._-]/g, ' ')
