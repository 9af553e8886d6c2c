FROM node:22-slim
ENV NODE_ENV=production
WORKDIR /usr/src/app
COPY --chown=1000:1000 . .
USER 1000
EXPOSE 3000
CMD ["node", "server.js"]
