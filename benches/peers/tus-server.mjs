// @tus/server with its file store, as its README sets it up. Prints its port. It neither hashes nor syncs.
import { createServer } from 'node:http';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';

const tus = new Server({ path: '/api/v1/uploads', datastore: new FileStore({ directory: process.argv[2] }) });
const http = createServer((request, response) => tus.handle(request, response)).listen(0, '127.0.0.1', () => { console.log(`127.0.0.1:${http.address().port}`); });
