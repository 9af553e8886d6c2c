FROM node:22 AS parent
WORKDIR /usr/src/app
ONBUILD COPY package.json .
ONBUILD COPY . .

FROM parent
CMD ["npm", "start"]
